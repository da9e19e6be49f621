/** Lists as long as is allowed, more often than is allowed: what one link may cost the process that hears it. */
import test from 'ava'
import { figuresOf, flood, SECONDS } from './sybils.js'
import { MB, startVictim } from './victim.js'

test(`X10 2,000 HAVE, or PRUNE, of 1,000 entries per second, for ${SECONDS} s, are read up to the budget, and cost no memory`, async t => {
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
    // How soon that costs the link depends on what a busy machine gets through: `have-lies` shows that it does.
    t.true((after.stats.drops['over-budget'] ?? 0) > 0)
    t.true(after.maxRss - before.rss <= 128 * MB)
    await victims[i]?.lives(t)
  }
})
