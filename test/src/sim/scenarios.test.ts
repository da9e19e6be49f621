import test from 'ava'
import { realIdentities } from './real-crypto.js'
import type { RunResult } from './run.js'
import { runScenario } from './scenarios.js'

/** Runs some seeds of a scenario; their sum. */
function runs(
  name: string,
  seeds: number
): { results: RunResult[]; sum(pick: (result: RunResult) => number): number } {
  const results = Array.from({ length: seeds }, (_, index) => runScenario(name, index + 1))
  return { results, sum: pick => results.reduce((total, result) => total + pick(result), 0) }
}

const droppedFor =
  (...reasons: string[]) =>
  ({ drops }: RunResult) =>
    reasons.reduce((total, reason) => total + (drops.get(reason) ?? 0), 0)

test('without faults everybody gets everything at once, and each batch crosses a connection at most once each way', t => {
  const { results, sum } = runs('calm', 5)
  for (const { delays, counts } of results) {
    t.is(counts.gaps + counts.refusals, 0)
    t.is(counts.deliveries, counts.published * 7, 'all but the author')
    t.true((delays.at(-1) ?? 0) < 500, `the last took ${delays.at(-1)} ms`)
    // 16 connections, two directions, less one for each first arrival.
    t.true(counts.pushes <= counts.published * (2 * 16 - 7))
  }
  t.true(sum(result => result.required) > 100)
})

test('two processes with one connection deliver to each other', t => {
  const { results } = runs('pair', 5)
  for (const { counts } of results) t.is(counts.deliveries, counts.published)
})

test('messages that overtake each other on two paths are all delivered', t => {
  const { sum } = runs('jitter', 5)
  t.true(sum(({ hits }) => hits.jitter) > 0)
  t.true(sum(({ required }) => required) > 0)
})

test('a partition that heals leaves nothing missing', t => {
  const { sum } = runs('partition', 8)
  t.true(sum(({ hits }) => hits.partition) > 4)
  t.true(sum(({ counts }) => counts.repairs) > 0)
})

test('a process that crashes and comes back with the same key is heard at once, and gets what is unexpired', t => {
  const { sum } = runs('crash', 8)
  t.true(sum(({ hits }) => hits.crash) > 4)
  t.true(sum(({ counts }) => counts.repairs) > 0)
})

test('processes that die without a word hold nobody up', t => {
  const { sum } = runs('silent-kill', 8)
  t.true(sum(({ hits }) => hits['silent-kill']) > 4)
})

test('what a torn connection took with it is repaired over another, or the next one', t => {
  const { sum } = runs('reconnect', 8)
  t.true(sum(({ hits }) => hits.reconnect) > 4)
  t.true(sum(({ counts }) => counts.repairs) > 0)
})

test('a slow link lags within its bounds and catches up', t => {
  const { sum } = runs('slow-link', 8)
  t.true(sum(({ hits }) => hits['slow-link']) > 4)
  t.true(sum(({ counts }) => counts.blocked) > 0)
  t.true(sum(({ counts }) => counts.lagging) > 0)
})

test('a member that forges, replays and swallows changes nothing for the others', t => {
  const { sum } = runs('hostile', 8)
  t.true(sum(({ hits }) => hits.hostile) > 20)
  t.true(sum(droppedFor('bad-signature')) > 0)
  t.true(sum(droppedFor('duplicate', 'expired')) > 0)
})

test('a member that claims to have what nobody published keeps nobody from what was published', t => {
  const { sum } = runs('liar', 8)
  t.true(sum(({ hits }) => hits.hostile) > 20)
  t.true(sum(({ hits }) => hits.crash) > 4)
})

test('a forged batch under the next seq does not silence its author', t => {
  const { sum } = runs('hostile-foresight', 8)
  t.true(sum(droppedFor('bad-signature')) > 8)
})

test('replays come to nothing though all clocks differ', t => {
  const { sum } = runs('skew', 8)
  t.true(sum(({ hits }) => hits.skew) > 8)
  t.true(sum(droppedFor('expired')) > 0)
  t.true(sum(droppedFor('duplicate')) > 0)
})

test('rules that think long, and answer twice, lose and double nothing', t => {
  const { sum } = runs('slow-rules', 5)
  t.true(sum(({ counts }) => counts.deliveries) > 100)
})

test('all kinds of fault at once', t => {
  const { sum } = runs('everything', 5)
  for (const kind of ['partition', 'crash', 'silent-kill', 'reconnect', 'slow-link', 'hostile'] as const) {
    t.true(sum(({ hits }) => hits[kind]) > 0, kind)
  }
})

test('fifty processes', t => {
  const { sum } = runs('crowd', 2)
  t.true(sum(({ required }) => required) > 1000)
})

test('with real keys, signatures and hashes it is the same', t => {
  const identities = realIdentities()
  const result = runScenario('hostile-foresight', 1, { identities, messages: 15 })
  t.true((result.drops.get('bad-signature') ?? 0) > 0)
  t.is(runScenario('hostile-foresight', 1, { identities, messages: 15 }).hash, result.hash)
})
