/**
 * The gate's state machine by itself: its drawing, and its invariants over random inputs.
 */

import type { GateEffect, GateInput } from '@hearsay/feeds/core'
import { GateCore } from '@hearsay/feeds/core'
import test from 'ava'
import fc from 'fast-check'

const LIMITS = { maxOpening: 2, offerMs: 5_000, refusedMs: 60_000, maxRefusedMs: 3_600_000, reopenMs: 1_000 }

function run(gate: GateCore, inputs: GateInput[], nowMs = 0): string[] {
  return inputs.flatMap(input => gate.step(input, nowMs)).map(effect => effect.kind)
}

const grant = (id = 'f', holder = 1): GateInput => ({ kind: 'grant', id, holder })
const ungrant = (id = 'f', holder = 1): GateInput => ({ kind: 'ungrant', id, holder })
const want = (id = 'f', isInvited = false): GateInput => ({ kind: 'want', id, isInvited })
const opened = (id = 'f', isOpen = true): GateInput => ({ kind: 'opened', id, isOpen })
const attached = (id = 'f'): GateInput => ({ kind: 'attached', id })
const answered = (id = 'f', isAccepted = true): GateInput => ({ kind: 'answered', id, isAccepted })
const detached = (id = 'f', isDone = true): GateInput => ({ kind: 'detached', id, isDone })

test('what nobody granted is neither opened nor remembered', t => {
  const gate = new GateCore(LIMITS)
  t.deepEqual(
    run(gate, [want(), { kind: 'asked', id: 'f' }, opened(), attached(), answered(), detached(), ungrant()]),
    []
  )
  t.is(gate.counts.entries, 0)
})

test('a granted and wanted feed is opened, attached, offered, and closed with its last holder', t => {
  const gate = new GateCore(LIMITS)
  t.deepEqual(run(gate, [grant(), grant('f', 2)]), [])
  t.deepEqual(run(gate, [want()]), ['open'])
  t.false(gate.mayBeOpen('f'))
  t.deepEqual(run(gate, [opened()]), ['attach'])
  t.true(gate.mayBeOpen('f'))
  run(gate, [attached()])
  t.is(gate.state('f'), 'offered')
  run(gate, [answered()])
  t.is(gate.state('f'), 'attached')
  t.deepEqual(run(gate, [ungrant('f', 2)]), [])
  t.deepEqual(run(gate, [ungrant()]), ['detach'])
  t.false(gate.mayBeOpen('f'))
  run(gate, [detached()])
  t.is(gate.counts.entries, 0)
})

test('a feed whose last holder goes while it opens is never attached, one that was being attached is detached', t => {
  const gate = new GateCore(LIMITS)
  t.deepEqual(run(gate, [grant(), want(), ungrant(), opened()]), ['open'])
  t.is(gate.state('f'), undefined)
  t.deepEqual(run(gate, [grant(), want(), opened(), ungrant()]), ['open', 'attach'])
  t.deepEqual(run(gate, [attached()]), ['detach'])
})

test('a grant that comes while the feed closes waits for the end of it', t => {
  const gate = new GateCore(LIMITS)
  run(gate, [grant(), want(), opened(), attached(), answered(), ungrant()])
  t.deepEqual(run(gate, [grant(), want()]), [])
  t.deepEqual(run(gate, [detached()]), ['open'])
})

test('a refused feed is offered again after 60 s, then 120 s, at once when the peer invites it, and when the peer asks', t => {
  const gate = new GateCore(LIMITS)
  const refuse = (nowMs: number) => run(gate, [opened(), attached(), answered('f', false), detached()], nowMs)
  run(gate, [grant(), want()])
  refuse(0)
  t.is(gate.state('f'), 'refused')
  t.deepEqual(gate.step(want(), 1_000), [{ kind: 'wake', atMs: 60_000 }])
  t.deepEqual(run(gate, [{ kind: 'tick' }], 59_999), ['wake'])
  t.deepEqual(run(gate, [{ kind: 'tick' }], 60_000), ['open'])
  refuse(60_000)
  t.deepEqual(gate.step(want(), 60_001), [{ kind: 'wake', atMs: 180_000 }])
  t.deepEqual(run(gate, [want('f', true)], 60_002), ['open'])
  refuse(60_002)
  t.deepEqual(run(gate, [{ kind: 'asked', id: 'f' }], 60_003), ['open'])
  run(gate, [opened(), attached()], 60_004)
  t.is(gate.state('f'), 'attached')
})

test('an invitation that overtakes the refusal of an earlier offer is not lost, and counts once', t => {
  const refuse = [answered('f', false), detached()]
  for (const before of [
    [],
    [opened()],
    [opened(), attached()],
    [opened(), attached(), answered('f', false)]
  ]) {
    const gate = new GateCore(LIMITS)
    run(gate, [grant(), want(), ...before, want('f', true)])
    const rest = [opened(), attached(), ...refuse].slice(before.length)
    t.is(run(gate, rest).at(-1), 'open', `invited after ${before.length} steps`)
    run(gate, [opened(), attached(), ...refuse])
    t.is(gate.state('f'), 'refused')
    run(gate, [want('f', true), opened(), attached(), answered(), ungrant(), grant(), detached()])
    t.is(gate.state('f'), 'granted', 'what was taken needs no invitation any more')
  }
})

test('a peer that does not answer an offer within 5 s counts as refusing', t => {
  const gate = new GateCore(LIMITS)
  run(gate, [grant(), want(), opened(), attached()])
  t.deepEqual(run(gate, [{ kind: 'tick' }], 4_999), ['wake'])
  t.deepEqual(run(gate, [{ kind: 'tick' }], 5_000), ['detach'])
  run(gate, [detached()], 5_000)
  t.is(gate.state('f'), 'refused')
})

test('a feed that the peer closed rests if nothing is missing, and is offered again a second later if something is', t => {
  const gate = new GateCore(LIMITS)
  const attach = [want(), opened(), attached(), answered()]
  run(gate, [grant(), ...attach])
  t.deepEqual(run(gate, [{ kind: 'gone', id: 'f', isMissed: false }, detached()]), ['detach', 'rest'])
  run(gate, attach)
  t.deepEqual(run(gate, [{ kind: 'gone', id: 'f', isMissed: true }, detached()], 7), ['detach', 'wake'])
  t.is(gate.state('f'), 'refused')
  t.deepEqual(run(gate, [{ kind: 'tick' }], 1_006), ['wake'])
  t.deepEqual(run(gate, [{ kind: 'tick' }], 1_007), ['open'])
  run(gate, [opened(), attached(), answered(), ungrant()])
  t.deepEqual(run(gate, [{ kind: 'gone', id: 'f', isMissed: true }, detached()]), [], 'revoked meanwhile')
  t.is(gate.state('f'), undefined)
})

test('a feed that can not be detached in time costs the connection', t => {
  const gate = new GateCore(LIMITS)
  run(gate, [grant(), want(), opened(), attached(), answered(), ungrant()])
  t.deepEqual(run(gate, [detached('f', false)]), ['destroy'])
})

test('at most maxOpening feeds are being opened; the next one starts when one is answered', t => {
  const gate = new GateCore(LIMITS)
  const ids = ['a', 'b', 'c', 'd']
  t.deepEqual(
    run(
      gate,
      ids.flatMap(id => [grant(id), want(id)])
    ),
    ['open', 'open']
  )
  t.deepEqual(gate.counts, { entries: 4, opening: 2 })
  run(gate, [opened('a'), attached('a')])
  t.is(gate.state('c'), 'wanted')
  const effects = gate.step(answered('a'), 0)
  t.deepEqual(effects[0], { kind: 'open', id: 'c' })
  run(gate, [ungrant('d')])
  t.is(gate.state('d'), undefined)
  t.deepEqual(run(gate, [opened('b', false)]), ['rest'])
})

test('a feed that could not be opened stays granted and can be wanted again', t => {
  const gate = new GateCore(LIMITS)
  run(gate, [grant(), want(), opened('f', false)])
  t.is(gate.state('f'), 'granted')
  t.deepEqual(run(gate, [want()]), ['open'])
})

test('PG1, PG2, PG6 hold for random inputs: no attach without a holder, one job at a time, nothing is left at the end', t => {
  const id = fc.constantFrom('a', 'b', 'c')
  const input = fc.oneof(
    fc.record({ kind: fc.constant('grant' as const), id, holder: fc.nat(1) }),
    fc.record({ kind: fc.constant('ungrant' as const), id, holder: fc.nat(1) }),
    fc.record({ kind: fc.constant('want' as const), id, isInvited: fc.boolean() }),
    fc.record({ kind: fc.constant('asked' as const), id }),
    fc.record({ kind: fc.constant('idle' as const), id }),
    fc.record({ kind: fc.constant('gone' as const), id, isMissed: fc.boolean() }),
    fc.record({ kind: fc.constant('tick' as const) }),
    fc.record({ kind: fc.constant('answer' as const), id, isGood: fc.boolean() })
  )
  fc.assert(
    fc.property(fc.array(input, { maxLength: 60 }), inputs => {
      const gate = new GateCore(LIMITS)
      const jobs = new Map<string, GateEffect['kind']>()
      let nowMs = 0
      const step = (next: GateInput) => {
        for (const effect of gate.step(next, nowMs)) {
          if (effect.kind === 'wake' || effect.kind === 'destroy' || effect.kind === 'rest') continue
          t.is(jobs.get(effect.id), undefined, `PG2: ${effect.kind} of ${effect.id}`)
          if (effect.kind !== 'detach') t.true(gate.isGranted(effect.id), 'PG1')
          jobs.set(effect.id, effect.kind)
        }
      }
      const answer = (of: string, isGood: boolean) => {
        const job = jobs.get(of)
        jobs.delete(of)
        if (job === 'open') step({ kind: 'opened', id: of, isOpen: isGood })
        else if (job === 'attach') step({ kind: 'attached', id: of })
        else if (job === 'detach') step({ kind: 'detached', id: of, isDone: true })
        else step({ kind: 'answered', id: of, isAccepted: isGood })
      }
      for (const next of inputs) {
        nowMs += 10_000
        if (next.kind === 'answer') answer(next.id, next.isGood)
        else step(next)
        for (const of of ['a', 'b', 'c']) if (!gate.isGranted(of)) t.false(gate.mayBeOpen(of))
      }
      for (const of of ['a', 'b', 'c']) {
        for (const holder of [0, 1]) step({ kind: 'ungrant', id: of, holder })
        while (jobs.has(of)) answer(of, true)
      }
      t.deepEqual(gate.counts, { entries: 0, opening: 0 }, 'PG6')
    }),
    { numRuns: 1_000 }
  )
})
