import test from 'ava'
import { Rng } from '../rng.js'
import { Agenda } from './agenda.js'

/** Takes all entries up to `untilMs`. */
function taken(
  agenda: Agenda,
  untilMs = Number.POSITIVE_INFINITY
): [atMs: number, kind: number, data: number][] {
  const entries: [number, number, number][] = []
  while (agenda.next(untilMs)) entries.push([agenda.nowMs, agenda.kind, agenda.data])
  return entries
}

test('entries come in the order of time, equal times in the order of insertion', t => {
  const agenda = new Agenda()
  for (const [atMs, data] of [
    [5, 0],
    [1, 1],
    [5, 2],
    [3, 3],
    [5, 4]
  ] as const) {
    agenda.add(atMs, 7, data)
  }
  t.is(agenda.length, 5)
  t.is(agenda.nextMs, 1)
  t.deepEqual(taken(agenda), [
    [1, 7, 1],
    [3, 7, 3],
    [5, 7, 0],
    [5, 7, 2],
    [5, 7, 4]
  ])
  t.is(agenda.nextMs, Number.POSITIVE_INFINITY)
})

test('what is late stays, and time stands at the bound', t => {
  const agenda = new Agenda()
  agenda.add(10, 1, 1)
  t.false(agenda.next(9.5))
  t.is(agenda.nowMs, 9.5)
  t.true(agenda.next(10))
})

test('an entry in the past is due now, behind all that is due now', t => {
  const agenda = new Agenda()
  agenda.add(5, 1, 1)
  agenda.add(5, 1, 2)
  t.true(agenda.next(5))
  agenda.add(2, 1, 3)
  t.deepEqual(taken(agenda), [
    [5, 1, 2],
    [5, 1, 3]
  ])
})

test('thousands of entries, put in while others are taken, come as a sort says', t => {
  const rng = new Rng(3)
  const agenda = new Agenda()
  const wanted: { atMs: number; data: number }[] = []
  const seen: number[] = []
  let last = 0
  for (let data = 0; data < 20_000; data++) {
    // Whole numbers, so that many are equal.
    const atMs = Math.ceil(agenda.nowMs) + rng.int(0, 200)
    agenda.add(atMs, data & 0xff, data)
    wanted.push({ atMs, data })
    if (!rng.chance(0.3)) continue
    t.true(agenda.next(Number.POSITIVE_INFINITY))
    if (agenda.nowMs < last) t.fail('time went back')
    last = agenda.nowMs
    if (agenda.kind !== (agenda.data & 0xff)) t.fail('kind and number come apart')
    seen.push(agenda.data)
  }
  seen.push(...taken(agenda).map(([, , data]) => data))
  wanted.sort((a, b) => a.atMs - b.atMs || a.data - b.data)
  t.deepEqual(
    seen,
    wanted.map(({ data }) => data)
  )
  t.is(agenda.steps, 20_000)
})

test('a livelock fails by a number of steps', t => {
  const agenda = new Agenda()
  agenda.add(2, 0, 0)
  t.throws(
    () => {
      while (agenda.next(3)) agenda.add(agenda.nowMs, 0, 0)
    },
    { message: /no rest/ }
  )
})
