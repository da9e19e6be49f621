/**
 * The gate of a writer by itself: its drawing, its invariants over random inputs, and its record on the disk.
 */
import {
  RecoveryCore,
  type RecoveryEffect,
  type RecoveryInput,
  type Suspicion,
  suspicionOf,
  type WriterStart
} from '@hearsay/feeds/core'
import test from 'ava'
import b4a from 'b4a'
import fc from 'fast-check'
import { decodeWriterRecord, encodeWriterRecord, type WriterRecord } from '#feeds/writer-record'

// Looks are far apart here, so that what counts as a gap is no matter but in its own test.
const LIMITS = { settleMs: 8_000, replicaMs: 30_000, claimMs: 10_000, lookMs: 1_000_000 }
const at = (length: number, fork = 0) => ({ fork, length })
const replica = (length: number, id = 'p') => ({ id, at: at(length) })
const look = (length: number, ...replicas: ReturnType<typeof replica>[]): RecoveryInput => ({
  kind: 'look',
  at: at(length),
  intact: length,
  replicas,
  isAppending: false
})

function started(length: number, checkpoint = length, suspicion: Suspicion | null = 'unclean'): RecoveryCore {
  const core = new RecoveryCore(LIMITS)
  core.step({ kind: 'started', at: at(length), checkpoint: at(checkpoint), suspicion }, 0)
  core.step({ kind: 'needed' }, 0)
  return core
}

const rotations = (effects: RecoveryEffect[]) => effects.filter(effect => effect.kind === 'rotate')

const RECORD: WriterRecord = {
  key: b4a.alloc(32, 1),
  device: b4a.alloc(8, 2),
  checkpoint: at(50),
  clean: true,
  bootId: 'boot-1',
  place: '17:23'
}
const START: WriterStart = {
  record: RECORD,
  at: at(50),
  bootId: 'boot-1',
  device: b4a.alloc(8, 2),
  place: '17:23',
  isCautious: false
}

test('a writer is suspicious without a record, shorter than its checkpoint, moved, or unclean after a restart of the machine', t => {
  t.is(suspicionOf(START), null)
  t.is(suspicionOf({ ...START, record: null }), 'no-record')
  t.is(suspicionOf({ ...START, at: at(49) }), 'shorter')
  t.is(suspicionOf({ ...START, at: at(60) }), null)
  t.is(
    suspicionOf({ ...START, at: at(60), record: { ...RECORD, checkpoint: at(5, 1) } }),
    'shorter',
    'a fork is later'
  )
  t.is(suspicionOf({ ...START, place: '18:24' }), 'moved')
  t.is(suspicionOf({ ...START, device: b4a.alloc(8, 3) }), 'moved')
  t.is(suspicionOf({ ...START, bootId: 'boot-2' }), null, 'it was closed before the machine was')
  const unclean = { ...RECORD, clean: false }
  t.is(suspicionOf({ ...START, record: unclean }), null, 'the process was killed, the machine was not')
  t.is(suspicionOf({ ...START, record: unclean, bootId: 'boot-2' }), 'unclean')
  t.is(
    suspicionOf({ ...START, record: { ...unclean, bootId: '' }, bootId: '' }),
    'unclean',
    'an unknown boot is another'
  )
  t.is(suspicionOf({ ...START, isCautious: true }), 'cautious')
})

test('a trusted writer is open at once, a suspicious one is not', t => {
  t.is(started(50, 50, null).state, 'open')
  t.is(started(50).state, 'recovering')
  t.is(new RecoveryCore(LIMITS).state, 'starting')
})

test('it opens 8 s after the last news of a replica, when everything that was claimed is here', t => {
  const core = started(50)
  core.step(look(50, replica(100)), 1_000)
  core.step(look(70, replica(100)), 2_000)
  core.step(look(100, replica(100)), 3_000)
  core.step(look(100, replica(100)), 10_999)
  t.is(core.state, 'recovering')
  core.step(look(100, replica(100)), 11_000)
  t.is(core.state, 'open')
})

test('a second replica that shows more keeps it shut', t => {
  const core = started(50)
  core.step(look(60, replica(60)), 1_000)
  core.step(look(60, replica(60), replica(80, 'q')), 8_900)
  core.step(look(60, replica(60), replica(80, 'q')), 9_500)
  t.is(core.state, 'recovering')
  core.step(look(80, replica(80), replica(80, 'q')), 10_000)
  core.step(look(80, replica(80), replica(80, 'q')), 18_000)
  t.is(core.state, 'open')
})

test('RG2 below its checkpoint it never opens, whatever the replicas show', t => {
  const core = started(50, 80)
  core.step(look(60, replica(60)), 1_000)
  core.step(look(60, replica(60)), 20_000)
  t.is(core.state, 'recovering')
  const effects = core.step(look(60, replica(60)), 31_000)
  t.deepEqual(rotations(effects), [{ kind: 'rotate', length: 60 }])
})

test('RG2 with a block lost that nobody brings it never opens, and is given up with what is whole', t => {
  const core = started(50)
  const holed = { ...look(60, replica(60)), intact: 53 } as RecoveryInput
  core.step(holed, 1_000)
  core.step(holed, 20_000)
  t.is(core.state, 'recovering')
  core.step({ ...look(60, replica(60)), intact: 55 } as RecoveryInput, 25_000)
  core.step({ ...look(60, replica(60)), intact: 55 } as RecoveryInput, 54_999)
  t.is(core.state, 'recovering')
  const effects = core.step({ ...look(60, replica(60)), intact: 55 } as RecoveryInput, 55_000)
  t.deepEqual(rotations(effects), [{ kind: 'rotate', length: 55 }])
})

test('without a replica it is given up after 30 s, once; a peer without a block is none', t => {
  const core = started(50)
  t.deepEqual(rotations(core.step(look(50, replica(0)), 29_999)), [])
  t.deepEqual(rotations(core.step(look(50, replica(0)), 30_000)), [{ kind: 'rotate', length: 50 }])
  t.is(core.state, 'rotating')
  t.deepEqual(rotations(core.step(look(50), 90_000)), [])
  core.step({ kind: 'rotated', isDone: true }, 90_001)
  t.is(core.state, 'rotated')
  core.step(look(50, replica(50)), 200_000)
  t.is(core.state, 'rotated')
})

test('RG4 a writer that the application does not use is not given up, and gets its 30 s from the first use on', t => {
  const core = new RecoveryCore(LIMITS)
  core.step({ kind: 'started', at: at(50), checkpoint: at(50), suspicion: 'unclean' }, 0)
  t.deepEqual(rotations(core.step(look(50), 1_000_000)), [])
  core.step({ kind: 'needed' }, 1_000_000)
  t.deepEqual(rotations(core.step(look(50), 1_029_999)), [])
  t.is(rotations(core.step(look(50), 1_030_000)).length, 1)
})

test('a rotation that could not be logged leaves it shut, and is tried again after 30 s', t => {
  const core = started(50)
  core.step(look(50), 30_000)
  core.step({ kind: 'rotated', isDone: false }, 31_000)
  t.is(core.state, 'recovering')
  t.deepEqual(rotations(core.step(look(50), 60_999)), [])
  t.is(rotations(core.step(look(50), 61_000)).length, 1)
})

test('only caution: a replica opens it after 8 s, and no replica after 30 s, without a rotation', t => {
  const core = started(50, 50, 'cautious')
  core.step(look(50, replica(50)), 100)
  core.step(look(50, replica(50)), 8_100)
  t.is(core.state, 'open')
  const alone = started(50, 50, 'cautious')
  t.deepEqual(rotations(alone.step(look(50), 30_000)), [])
  t.is(alone.state, 'open')
})

test('an open writer is shut by a claim of more, and opens when that proves false, which it believes once', t => {
  const core = started(50, 50, null)
  core.step({ kind: 'claimed', replica: replica(60) }, 0)
  t.is(core.state, 'recovering')
  core.step(look(50, replica(60)), 9_999)
  t.is(core.state, 'recovering')
  core.step(look(50, replica(60)), 10_000)
  t.is(core.state, 'open')
  core.step(look(50, replica(60)), 10_001)
  t.is(core.state, 'open')
})

test('a claim of what was appended since the last look is none, and one beyond it finds nothing that came back', t => {
  const core = started(50, 50, null)
  core.step({ kind: 'claimed', replica: replica(60), now: at(60) }, 0)
  t.is(core.state, 'open')
  core.step({ kind: 'claimed', replica: replica(71), now: at(70) }, 0)
  t.is(core.state, 'recovering')
  core.step(look(70, replica(71)), 9_999)
  t.is(core.state, 'recovering')
  core.step(look(70, replica(71)), 10_000)
  t.is(core.state, 'open', 'it was a lie, and the writer is not one that was rolled back')
})

test('a suspicious writer takes no claim for a lie, also if its peer is gone: it is given up', t => {
  const core = started(50)
  core.step(look(50, replica(60), replica(50, 'q')), 0)
  core.step(look(50, replica(50, 'q')), 29_999)
  t.is(core.state, 'recovering')
  t.deepEqual(rotations(core.step(look(50, replica(50, 'q')), 30_000)), [{ kind: 'rotate', length: 50 }])
})

test('a claim that is backed makes the writer one that was rolled back: it waits for others', t => {
  const core = started(50, 50, null)
  core.step(look(50, replica(60)), 0)
  core.step(look(60, replica(60)), 500)
  t.is(core.state, 'recovering')
  core.step(look(60, replica(60)), 8_499)
  t.is(core.state, 'recovering')
  core.step(look(60, replica(60)), 8_500)
  t.is(core.state, 'open')
})

test('an append that was let through before a claim came is no proof of that claim', t => {
  const core = started(50, 50, null)
  core.step(look(50, replica(60)), 0)
  core.step({ ...look(51, replica(60)), isAppending: true } as RecoveryInput, 10)
  core.step(look(51, replica(60)), 10_010)
  t.is(core.state, 'open')
})

test('a machine that slept has not waited for its peers: a gap counts as five looks', t => {
  const core = new RecoveryCore({ ...LIMITS, lookMs: 100 })
  core.step({ kind: 'started', at: at(50), checkpoint: at(50), suspicion: 'unclean' }, 0)
  core.step({ kind: 'needed' }, 0)
  let nowMs = 0
  core.step(look(50, replica(50)), ++nowMs)
  nowMs += 3_600_000
  core.step(look(50, replica(50)), nowMs)
  t.is(core.state, 'recovering')
  const fromMs = nowMs
  while (core.state === 'recovering') {
    nowMs += 100
    core.step(look(50, replica(50)), nowMs)
  }
  t.is(nowMs - fromMs, 7_500)
})

test('RG3 peers that lie one after the other shut a writer for 10 s, 5 s, 2.5 s and ever less', t => {
  const core = started(50, 50, null)
  let nowMs = 0
  const shutMs: number[] = []
  for (let liar = 0; liar < 8; liar++) {
    const fromMs = nowMs
    core.step(look(50, replica(1_000, `liar ${liar}`)), nowMs)
    while (core.state !== 'open') core.step(look(50, replica(1_000, `liar ${liar}`)), ++nowMs)
    shutMs.push(nowMs - fromMs)
  }
  t.deepEqual(shutMs, [10_000, 5_000, 2_500, 1_250, 625, 313, 250, 250])
})

test('a claim that comes before the writer was opened shuts it, if it is more than what is found', t => {
  for (const [length, state] of [
    [60, 'recovering'],
    [50, 'open']
  ] as const) {
    const core = new RecoveryCore(LIMITS)
    core.step({ kind: 'claimed', replica: replica(length) }, 0)
    core.step({ kind: 'started', at: at(50), checkpoint: at(50), suspicion: null }, 1)
    t.is(core.state, state)
  }
})

test('a conflict, or the application, ends an open writer', t => {
  const core = started(50, 50, null)
  t.deepEqual(rotations(core.step({ kind: 'rotate', length: 40 }, 0)), [{ kind: 'rotate', length: 40 }])
  core.step({ kind: 'rotated', isDone: false }, 1)
  t.is(core.state, 'open')
})

test('RG1 to RG3 hold for random inputs: nothing opens below the checkpoint or an honest claim, nobody shuts it for ever', t => {
  const input = fc.oneof(
    fc.record({
      kind: fc.constant('look' as const),
      grow: fc.nat(3),
      shown: fc.array(fc.record({ id: fc.constantFrom('a', 'b', 'c'), length: fc.nat(14) }), { maxLength: 2 })
    }),
    fc.record({ kind: fc.constant('claimed' as const), id: fc.constantFrom('d', 'e'), length: fc.nat(14) }),
    fc.record({ kind: fc.constant('needed' as const) })
  )
  const suspicions = fc.constantFrom<Suspicion | null>(null, 'unclean', 'shorter', 'cautious')
  fc.assert(
    fc.property(
      suspicions,
      fc.nat(10),
      fc.array(input, { maxLength: 40 }),
      (suspicion, checkpoint, inputs) => {
        const core = new RecoveryCore(LIMITS)
        let length = suspicion === null || suspicion === 'cautious' ? checkpoint : Math.min(5, checkpoint)
        core.step({ kind: 'started', at: at(length), checkpoint: at(checkpoint), suspicion }, 0)
        let nowMs = 0
        for (const next of inputs) {
          nowMs += 700
          const before = core.state
          if (next.kind === 'look') {
            length += next.grow
            const replicas = next.shown.map(shown => replica(shown.length, shown.id))
            const highest = Math.max(0, ...next.shown.map(shown => shown.length))
            core.step(look(length, ...replicas), nowMs)
            if (before === 'open' && highest > length && core.state === 'open') {
              // Only of one that has lied before.
              t.true(nowMs >= 10_000 / 2)
            }
          } else if (next.kind === 'claimed') {
            core.step({ kind: 'claimed', replica: replica(next.length, next.id) }, nowMs)
          } else core.step(next, nowMs)
          if (core.state === 'open') t.true(length >= checkpoint, 'RG2')
        }
        // Left alone, with a replica that has all: it opens, or was given up.
        for (let i = 0; i < 8 && core.state === 'recovering'; i++) {
          nowMs += 10_000
          length = Math.max(length, checkpoint, 14)
          core.step(look(length, replica(length, 'honest')), nowMs)
        }
        t.true(core.state === 'open' || core.state === 'rotating', core.state)
      }
    ),
    { numRuns: 500 }
  )
})

test('a record comes back as it was; a damaged, cut or foreign one is none', t => {
  const record = { ...RECORD, checkpoint: at(2 ** 40, 3), clean: false }
  const bytes = encodeWriterRecord(record)
  t.deepEqual(decodeWriterRecord(bytes), record)
  for (let i = 0; i < bytes.byteLength; i++) {
    const damaged = b4a.from(bytes)
    damaged[i] = (damaged[i] as number) ^ 1
    t.is(decodeWriterRecord(damaged), null)
    t.is(decodeWriterRecord(bytes.subarray(0, i)), null)
  }
})
