import test from 'ava'
import { REGRESSIONS } from './regressions.js'
import { runScenario } from './scenarios.js'

for (const { scenario, seed, cause } of REGRESSIONS) {
  test(`seed ${seed} of ${scenario} holds: ${cause}`, t => {
    t.true(runScenario(scenario, seed).required > 0)
  })
}
