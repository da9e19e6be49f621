import test from 'ava'
import { DRAWN_KINDS, noHits } from './faults.js'
import { runScenario } from './scenarios.js'

const SEEDS = 200
const GROUP = 10

const hits = noHits()
const seen = { kinds: new Set<number>(), required: 0, repairs: 0 }

for (let first = 1; first <= SEEDS; first += GROUP) {
  test.serial(`seeds ${first} to ${first + GROUP - 1} keep all invariants, and repeat themselves`, t => {
    for (let seed = first; seed < first + GROUP; seed++) {
      const result = runScenario('drawn', seed)
      for (const kind of DRAWN_KINDS) hits[kind] += result.hits[kind]
      seen.kinds.add(result.kinds.length)
      seen.required += result.required
      seen.repairs += result.counts.repairs
      t.is(runScenario('drawn', seed).hash, result.hash, `SEED=${seed} npm run test:sim`)
    }
  })
}

test.serial('over all seeds every kind of fault hit, and something was at stake', t => {
  for (const kind of DRAWN_KINDS) t.true(hits[kind] > 0, kind)
  t.deepEqual([...seen.kinds].sort(), [0, 1, 2, 3, 4])
  t.true(seen.required > SEEDS * 20, `${seen.required} deliveries were asked for`)
  t.true(seen.repairs > SEEDS, `${seen.repairs} repairs`)
})

test('other seeds give other traces', t => {
  const hashes = new Set([1, 2, 3, 4, 5].map(seed => runScenario('calm', seed).hash))
  t.is(hashes.size, 5)
})
