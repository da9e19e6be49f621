/** Ten sybils with 5,000 bad signatures per second each, who come back under another key whenever they are cut off. */
import { availableParallelism, loadavg } from 'node:os'
import test from 'ava'
import { figuresOf, flood, SECONDS } from './sybils.js'
import { MB, startVictim } from './victim.js'

const SYBILS = 10
/** A second is longer on a machine that has other things to do. */
const CUT_MS = 1000 * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())

test(`X10 10 sybils with 5,000 bad signatures per second each are cut off within a second, for ${SECONDS} s`, async t => {
  t.timeout((SECONDS + 90) * 1000)
  const victim = await startVictim(t)
  const run = await flood(t, victim, { mode: 'forgers', sybils: SYBILS, perSecond: 5000 })
  for (const line of figuresOf(run)) t.log(line)
  const { done, before, after } = run
  t.true(done.cuts >= SYBILS, 'each was cut off')
  t.true(done.longestMs <= CUT_MS, `one lived for ${done.longestMs} ms`)
  const bad = after.stats.drops['bad-signature'] ?? 0
  // Three each, and for the last ones fewer.
  t.true(bad <= 3 * (done.cuts + SYBILS) && bad >= 3 * (done.cuts - SYBILS), `${bad} for ${done.cuts} cuts`)
  t.true(after.maxRss - before.rss <= 64 * MB)
  const { heapUsed } = await victim.status('gc')
  t.log(`heap: ${((heapUsed - before.heapUsed) / 1e6).toFixed(1)} MB more than before`)
  t.true(heapUsed - before.heapUsed <= 16 * MB)
  await victim.lives(t)
})
