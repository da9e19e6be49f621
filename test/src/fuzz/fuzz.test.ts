/**
 * One million inputs over all decoders; the five rules are at the head of fuzzer.ts. `FUZZ=50000000 npm run test:fuzz` runs
 * more, from another seed each time.
 */
import process from 'node:process'
import test from 'ava'
import { answerOf, grown, inputsOf, readCorpus, writeCorpus } from './corpus.js'
import { fuzz } from './fuzzer.js'
import { shareOf, TARGETS } from './targets.js'

const INPUTS = 1_000_000
/** Any will do; one that is kept makes a failure appear again. */
const SEED = 20_260

for (const target of TARGETS) {
  test(`X12 the saved inputs of ${target.name} get the answers that they got`, t => {
    const corpus = readCorpus(target.name)
    if (process.env.UPDATE_VECTORS === '1') {
      const report = fuzz(target, { inputs: shareOf(target, INPUTS / 4), seed: SEED })
      writeCorpus(target.name, grown(corpus, target, report))
      return t.is(report.failure, null)
    }
    t.true(Object.keys(corpus).length > 1)
    for (const input of inputsOf(corpus)) {
      const hex = Buffer.from(input).toString('hex')
      t.is(answerOf(target, input), String(corpus[hex]), hex)
    }
  })

  test(`X12 no bytes make ${target.name} throw, hang, grow or say two things`, t => {
    const inputs = shareOf(target, INPUTS)
    const report = fuzz(target, { inputs, seed: SEED, corpus: inputsOf(readCorpus(target.name)) })
    const { failure, accepted } = report
    if (failure !== null) {
      t.fail(`${failure.target} ${failure.rule}: ${Buffer.from(failure.input).toString('hex')}`)
    }
    t.is(report.inputs, inputs)
    t.true(accepted > inputs / 50, `${accepted} of ${inputs} were accepted: too few to say anything`)
    t.true(target.frames !== undefined || accepted < inputs, 'some were bad enough')
  })
}
