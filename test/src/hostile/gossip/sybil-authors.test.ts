/**
 * Ten sybils, each with an author that publishes 2,000 valid messages per second: nothing is wrong but the amount. Each of them is
 * forwarded to all the others, which costs more than to verify it; how long honest words take meanwhile is printed, not judged.
 */
import test from 'ava'
import { until } from '../../support/until.js'
import { figuresOf, flood } from './sybils.js'
import { MB, startVictim } from './victim.js'

/** They sign beforehand: after more than that the last ones would be too old to be honest. */
const SECONDS = 5
/**
 * A machine that does other things as well can't verify 16,000 per second, and a budget that is never reached limits nothing. What
 * is kept for repair has to last as long as such a machine may stall: with 4,096 batches that would be four seconds.
 */
const BUDGET = 1000
const VICTIM = { verifiesPerSecondOfProcess: BUDGET, maxCacheBatches: 60 * BUDGET, maxCacheBytes: 64 * MB }

test(`X10 10 sybils with 2,000 valid messages per second each are limited to the budget, for ${SECONDS} s`, async t => {
  t.timeout((SECONDS + 90) * 1000)
  const victim = await startVictim(t, JSON.stringify(VICTIM))
  const run = await flood(t, victim, { mode: 'authors', sybils: 10, perSecond: 2000, seconds: SECONDS })
  for (const line of figuresOf(run)) t.log(line)
  const { done, before } = run
  t.is(done.cuts, 0, 'too much is no fault')
  let { after } = run
  await until(async () => {
    const { elapsedMs } = after
    after = await victim.status()
    after = { ...after, elapsedMs: after.elapsedMs + elapsedMs }
    return (after.stats.drops['over-budget'] ?? 0) > BUDGET
  })
  const verified = after.stats.verified - before.stats.verified
  // The flood may last longer than it should: what counts is the time that the victim saw.
  t.true(verified <= BUDGET * (after.elapsedMs / 1000 + 2), `${verified} signatures in ${after.elapsedMs} ms`)
  await victim.lives(t)
})
