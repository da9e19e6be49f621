/** Lists as long as is allowed, as often as is allowed: what one link may cost the process that hears it. */
import test from 'ava'
import { figuresOf, flood, SECONDS } from './sybils.js'
import { MB, startVictim } from './victim.js'

test(`X10 sybils that send 2,000 HAVE, or PRUNE, of 1,000 entries per second, for ${SECONDS} s, cost time, not memory`, async t => {
  t.timeout((SECONDS + 90) * 1000)
  const victims = await Promise.all([startVictim(t), startVictim(t)])
  const runs = await Promise.all(
    victims.map((victim, i) =>
      flood(t, victim, { mode: i === 0 ? 'haves' : 'prunes', sybils: 1, perSecond: 2000 })
    )
  )
  for (const [i, run] of runs.entries()) {
    t.log(i === 0 ? 'HAVE' : 'PRUNE')
    for (const line of figuresOf(run)) t.log(line)
    const { done, before, after } = run
    t.true(done.sent > 500, 'it was a flood')
    t.true(after.maxRss - before.rss <= 128 * MB)
    await victims[i]?.lives(t)
  }
})
