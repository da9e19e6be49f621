import test from 'ava'
import fc from 'fast-check'
import { encodePayloads } from '#gossip/core/batch'
import { Egress } from '#gossip/core/egress'
import type { WrittenFrame } from '#gossip/core/frame-writer'
import { decodeBatch, decodeHave, FrameKind } from '#gossip/core/frames'
import { makeAuthorRef } from '#gossip/core/keys'
import {
  type AuthorRef,
  type OutFrame,
  SEND_BULK,
  SEND_CONTROL,
  SEND_FORWARD,
  SEND_OWN,
  type SendClass
} from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { filled } from './support-crypto.js'

const refs = Array.from({ length: 200 }, (_, i) => makeAuthorRef(filled(32, i), filled(8, 1)))
const ref = refs[0] as AuthorRef

function batch(seq: number, size = 100, repair = false): OutFrame {
  const payloads = [filled(size, 1)]
  return {
    kind: 'batch',
    batch: {
      ref,
      seq0: seq,
      count: 1,
      createdMs: ref.startMs,
      ttlSeconds: 30,
      class: 0,
      signature: filled(64, 1),
      head: filled(0, 0),
      payloadBytes: encodePayloads(payloads),
      payloads
    },
    hops: 0,
    mark: false,
    repair,
    last: false
  }
}

function have(next: number, who: readonly AuthorRef[] = [ref]): OutFrame {
  return { kind: 'have', have: 'tick', entries: who.map(ref => ({ ref, next, ahead: 0 })) }
}

function egressOf(links: number, limits: Partial<typeof LIMITS> = {}): Egress {
  const egress = new Egress({ ...LIMITS, ...limits })
  for (let link = 1; link <= links; link++) egress.openLink(link)
  return egress
}

/** link:seq of each batch. */
function batchesOf(frames: readonly WrittenFrame[]): string[] {
  return frames.flatMap(({ link, kind, bytes }) => {
    if (kind !== FrameKind.batch) return []
    const frame = decodeBatch(bytes, LIMITS)
    return frame.ok ? [`${link}:${frame.value.seq0}`] : ['malformed']
  })
}

function sizesOf(frames: readonly WrittenFrame[]): number {
  return frames.reduce((sum, { bytes }) => sum + bytes.length, 0)
}

test('classes are served strictly in order, control first', t => {
  const egress = egressOf(2)
  egress.push(1, SEND_BULK, batch(1))
  egress.push(2, SEND_FORWARD, batch(2))
  egress.push(1, SEND_OWN, batch(3))
  egress.push(2, SEND_CONTROL, have(7))
  egress.push(2, SEND_OWN, batch(4))
  const frames = egress.take()
  t.is(frames.find(({ kind }) => kind !== FrameKind.author)?.kind, FrameKind.have)
  t.deepEqual(batchesOf(frames), ['1:3', '2:4', '2:2', '1:1'])
  t.deepEqual(egress.take(), [])
  t.is(egress.queuedBytes(), 0)
})

test('links with small batches get as many bytes as a link with large ones', t => {
  const egress = egressOf(2, {
    maxCorkBytes: 200_000,
    maxQueuedBytesPerLink: 10_000_000,
    maxQueuedBytesPerConnection: 10_000_000
  })
  for (let seq = 0; seq < 10; seq++) egress.push(1, SEND_BULK, batch(seq, 60_000))
  for (let seq = 0; seq < 1000; seq++) egress.push(2, SEND_BULK, batch(seq, 500))
  const frames = egress.take()
  const [large, small] = [1, 2].map(link => sizesOf(frames.filter(frame => frame.link === link)))
  t.true(Math.abs((large as number) - (small as number)) <= 80_000, `${large} and ${small}`)
  t.true((small as number) > 60_000)
})

test('a cork is never over its bound, unless a single frame is, and nothing is lost or reordered by it', t => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          link: fc.integer({ min: 1, max: 3 }),
          size: fc.constantFrom(1, 100, 5000, 20_000, 66_000)
        }),
        {
          minLength: 1,
          maxLength: 60,
          size: 'max'
        }
      ),
      fc.constantFrom(1000, 20_000, 70_000),
      (pushes, maxCorkBytes) => {
        const huge = Number.MAX_SAFE_INTEGER
        const egress = egressOf(3, {
          maxCorkBytes,
          maxQueuedBytesPerLink: huge,
          maxQueuedBytesPerConnection: huge
        })
        const limits = { ...LIMITS, maxMessageBytes: 70_000 }
        for (const [seq, { link, size }] of pushes.entries()) {
          egress.push(link, SEND_OWN, batch(seq, size))
          egress.push(link, SEND_CONTROL, have(seq, refs))
        }
        const got: string[] = []
        for (let i = 0; egress.hasWork; i++) {
          if (i > 500) return false
          const frames = egress.take()
          if (frames.length === 0) return false
          const notAuthors = frames.filter(({ kind }) => kind !== FrameKind.author)
          if (sizesOf(frames) > maxCorkBytes && notAuthors.length > 1) return false
          for (const { link, kind, bytes } of notAuthors) {
            const frame = kind === FrameKind.batch ? decodeBatch(bytes, limits) : null
            if (frame?.ok) got.push(`${link}:${frame.value.seq0}`)
          }
        }
        const inOrder = (link: number): string =>
          pushes.flatMap((push, seq) => (push.link === link ? [`${link}:${seq}`] : [])).join()
        return [1, 2, 3].every(link => got.filter(id => id.startsWith(`${link}:`)).join() === inOrder(link))
      }
    ),
    { numRuns: 60 }
  )
  t.pass()
})

test('a small cork does not let one link keep the others waiting', t => {
  const egress = egressOf(2, { maxCorkBytes: 4000 })
  for (let seq = 0; seq < 60; seq++) {
    egress.push(1, SEND_OWN, batch(seq, 1000))
    egress.push(2, SEND_OWN, batch(seq, 1000))
  }
  const served = new Set<number>()
  for (let i = 0; i < 8; i++) for (const { link } of egress.take()) served.add(link)
  t.deepEqual([...served].sort(), [1, 2])
})

test('control that does not fit into a cork comes in the next one, and AUTHOR frames count', t => {
  const maxCorkBytes = 16_000
  const egress = egressOf(3, { maxCorkBytes })
  for (let link = 1; link <= 3; link++) egress.push(link, SEND_CONTROL, have(link, refs))
  const told: string[] = []
  let corks = 0
  for (; egress.hasWork; corks++) {
    const frames = egress.take()
    t.true(sizesOf(frames) <= maxCorkBytes)
    for (const { link, kind, bytes } of frames) {
      const frame = kind === FrameKind.have ? decodeHave(bytes, LIMITS) : null
      if (frame?.ok) told.push(`${link}: ${frame.value.entries.length} x ${frame.value.entries[0]?.next}`)
    }
  }
  t.deepEqual(told, ['1: 200 x 1', '2: 200 x 2', '3: 200 x 3'])
  t.is(corks, 3)
})

test('nothing is written while the connection is not writable', t => {
  const egress = egressOf(1)
  egress.setWritable(false)
  egress.push(1, SEND_OWN, batch(0))
  t.false(egress.hasWork)
  t.deepEqual(egress.take(), [])
  egress.setWritable(true)
  t.true(egress.hasWork)
  t.deepEqual(batchesOf(egress.take()), ['1:0'])
})

test('a link is blocked when something waits and the connection is not writable, and drained when it is empty', t => {
  const egress = egressOf(2)
  egress.push(1, SEND_OWN, batch(0))
  t.deepEqual(egress.signals(), [])
  egress.setWritable(false)
  t.deepEqual(egress.signals(), [{ link: 1, state: 'blocked' }])
  egress.push(2, SEND_CONTROL, have(1))
  t.deepEqual(egress.signals(), [{ link: 2, state: 'blocked' }])
  egress.push(1, SEND_OWN, batch(1))
  t.deepEqual(egress.signals(), [])
  egress.setWritable(true)
  t.deepEqual(egress.signals(), [])
  egress.take()
  t.deepEqual(egress.signals(), [
    { link: 1, state: 'drained' },
    { link: 2, state: 'drained' }
  ])
  t.deepEqual(egress.signals(), [])
})

test('a link is blocked by more than 64 KiB, also while the connection is writable', t => {
  const egress = egressOf(1)
  for (let seq = 0; seq < 4; seq++) egress.push(1, SEND_OWN, batch(seq, 16_000))
  t.deepEqual(egress.signals(), [])
  egress.push(1, SEND_OWN, batch(4, 16_000))
  t.deepEqual(egress.signals(), [{ link: 1, state: 'blocked' }])
  egress.take()
  t.deepEqual(egress.signals(), [{ link: 1, state: 'drained' }])
})

test('a link over its bound in bytes or batches lags: payload is dropped, control is kept, the others keep theirs', t => {
  for (const [size, fits] of [
    [10_000, 25],
    [10, 1024]
  ] as const) {
    const egress = egressOf(2)
    egress.setWritable(false)
    egress.push(1, SEND_CONTROL, have(5))
    egress.push(2, SEND_OWN, batch(0))
    for (let seq = 0; seq < fits; seq++) egress.push(1, SEND_OWN, batch(seq, size))
    t.false(egress.signals().some(({ state }) => state === 'lagging'))
    for (let seq = 0; seq < 3; seq++) egress.push(1, SEND_OWN, batch(fits + seq, size))
    t.deepEqual(egress.signals(), [{ link: 1, state: 'lagging' }])
    t.is(egress.queuedBytes(1), 0)
    t.is(egress.droppedBatches, fits + 3)
    egress.setWritable(true)
    const frames = egress.take()
    t.deepEqual(batchesOf(frames), ['2:0'])
    t.true(frames.some(({ link, kind }) => link === 1 && kind === FrameKind.have))
    t.deepEqual(
      egress
        .signals()
        .map(({ link, state }) => `${link} ${state}`)
        .sort(),
      ['1 drained', '2 drained']
    )
    egress.push(1, SEND_OWN, batch(99))
    t.deepEqual(batchesOf(egress.take()), ['1:99'])
  }
})

test('a connection over its bound drops the largest queue, and stays within the bound', t => {
  const egress = egressOf(6)
  egress.setWritable(false)
  for (let seq = 0; seq < 4; seq++) egress.push(6, SEND_OWN, batch(seq, 60_000))
  for (let link = 1; link <= 5; link++) {
    for (let seq = 0; seq < 20; seq++) {
      egress.push(link, SEND_OWN, batch(seq, 9000))
      t.true(egress.queuedBytes() <= LIMITS.maxQueuedBytesPerConnection)
    }
  }
  const lagging = egress.signals().filter(({ state }) => state === 'lagging')
  t.deepEqual(lagging, [{ link: 6, state: 'lagging' }])
  t.is(
    egress.queuedBytes(),
    [1, 2, 3, 4, 5].reduce((sum, link) => sum + egress.queuedBytes(link), 0)
  )
})

test('one batch larger than the bounds is sent nevertheless', t => {
  const egress = egressOf(1, {
    maxQueuedBytesPerLink: 1000,
    maxQueuedBytesPerConnection: 1000,
    maxCorkBytes: 1000
  })
  egress.push(1, SEND_OWN, batch(0, 5000))
  t.deepEqual(batchesOf(egress.take()), ['1:0'])
  egress.push(1, SEND_BULK, batch(1, 5000, true))
  t.deepEqual(batchesOf(egress.take()), ['1:1'])
})

test('an answer that does not fit is dropped and makes no link lag', t => {
  const egress = egressOf(1)
  for (let seq = 0; seq < 40; seq++) egress.push(1, SEND_BULK, batch(seq, 10_000, true))
  t.deepEqual(egress.signals(), [{ link: 1, state: 'blocked' }])
  t.is(egress.droppedBatches, 14)
  t.is(batchesOf(egress.take()).length, 26)
})

test('watermarks coalesce: a link that is blocked for long holds one per author', t => {
  const egress = egressOf(1)
  egress.setWritable(false)
  for (let next = 0; next < 1000; next++) egress.push(1, SEND_CONTROL, have(next, refs))
  egress.push(1, SEND_CONTROL, { kind: 'have', have: 'join', entries: [{ ref, next: 5000, ahead: 2 }] })
  for (let i = 0; i < 100; i++) egress.push(1, SEND_CONTROL, { kind: 'have', have: 'live', entries: [] })
  egress.setWritable(true)
  const told = egress.take().flatMap(({ kind, bytes }) => {
    const frame = kind === FrameKind.have ? decodeHave(bytes, LIMITS) : null
    return frame?.ok ? [frame.value] : []
  })
  t.deepEqual(
    told.map(({ have, entries }) => [have, entries.length]),
    [
      ['live', 0],
      ['join', 1],
      ['tick', 199]
    ]
  )
  t.deepEqual(told[1]?.entries[0]?.next, 5000)
  t.true(told[2]?.entries.every(({ next }) => next === 999))
})

test('questions that pile up on a blocked link are bounded, and the newest are kept', t => {
  const egress = egressOf(1)
  egress.setWritable(false)
  for (let from = 0; from < 1000; from++) {
    egress.push(1, SEND_CONTROL, { kind: 'want', graft: false, ranges: [{ ref, from, count: 1 }] })
    egress.push(1, SEND_CONTROL, { kind: 'link', op: 'ask', high: false, backoffMs: 0, degree: 1 })
    egress.push(1, SEND_CONTROL, { kind: 'peers', keys: [filled(32, 1)] })
    egress.push(1, SEND_CONTROL, { kind: 'prune', refs: [ref] })
  }
  t.is(egress.droppedControl, 936)
  egress.setWritable(true)
  const count = new Map<number, number>()
  for (const { kind } of egress.take()) count.set(kind, (count.get(kind) ?? 0) + 1)
  t.deepEqual(
    [FrameKind.want, FrameKind.link, FrameKind.peers, FrameKind.prune].map(kind => count.get(kind)),
    [64, 1, 1, 1]
  )
})

test('more watermarks than a topic can have make the link lag, so that all are told again', t => {
  const egress = egressOf(1, { maxAuthors: 100 })
  for (const one of refs.slice(0, 101)) egress.push(1, SEND_CONTROL, have(1, [one]))
  t.deepEqual(egress.signals(), [])
  egress.push(1, SEND_CONTROL, have(1, refs.slice(101, 102)))
  t.deepEqual(egress.signals(), [
    { link: 1, state: 'lagging' },
    { link: 1, state: 'drained' }
  ])
})

test('a list of all watermarks fits, also with authors that are not counted, or it would be told again for ever', t => {
  const egress = egressOf(1, { maxAuthors: 100 })
  egress.push(1, SEND_CONTROL, have(1, refs))
  t.deepEqual(egress.signals(), [])
  const told = egress.take().reduce((sum, { kind, bytes }) => {
    const frame = kind === FrameKind.have ? decodeHave(bytes, LIMITS) : null
    return sum + (frame?.ok ? frame.value.entries.length : 0)
  }, 0)
  t.is(told, refs.length)
})

test('a PRUNE of all takes the place of those of single authors', t => {
  const egress = egressOf(1)
  egress.push(1, SEND_CONTROL, { kind: 'prune', refs: refs.slice(0, 3) })
  egress.push(1, SEND_CONTROL, { kind: 'prune', refs: [] })
  egress.push(1, SEND_CONTROL, { kind: 'prune', refs: refs.slice(3, 5) })
  const frames = egress.take()
  t.deepEqual(
    frames.map(({ kind, bytes }) => [kind, bytes.length]),
    [[FrameKind.prune, 1]]
  )
})

test('a closed link leaves nothing behind: no bytes, no frames, no signals', t => {
  const egress = egressOf(2)
  egress.setWritable(false)
  egress.push(1, SEND_OWN, batch(0))
  egress.push(1, SEND_CONTROL, have(1))
  egress.push(2, SEND_OWN, batch(1))
  egress.closeLink(1)
  t.deepEqual(egress.signals(), [{ link: 2, state: 'blocked' }])
  egress.push(1, SEND_OWN, batch(2))
  egress.closeLink(1)
  egress.setWritable(true)
  t.deepEqual(batchesOf(egress.take()), ['2:1'])
  t.is(egress.queuedBytes(), 0)
  t.is(egress.queuedBytes(1), 0)
  egress.openLink(1)
  egress.push(1, SEND_OWN, batch(3))
  t.deepEqual(
    egress.take().map(({ kind }) => kind),
    [FrameKind.author, FrameKind.batch]
  )
})

const SENDS: SendClass[] = [SEND_CONTROL, SEND_OWN, SEND_FORWARD, SEND_BULK]

test('random use: bounds hold after every step, signals alternate, and all is drained in the end', t => {
  let lagged = 0
  const act = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant('push'),
        link: fc.integer({ min: 1, max: 4 }),
        send: fc.nat(3),
        size: fc.constantFrom(10, 4000, 16_000, 60_000),
        repair: fc.boolean()
      })
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constantFrom('take', 'writable', 'not-writable', 'control', 'signals', 'reopen'),
        link: fc.integer({ min: 1, max: 4 })
      })
    }
  )
  fc.assert(
    fc.property(fc.array(act, { minLength: 50, maxLength: 150, size: 'max' }), acts => {
      const egress = egressOf(4, { maxQueuedBytesPerConnection: 600_000 })
      const states = new Map<number, string>()
      const check = (): void => {
        for (const { link, state } of egress.signals()) {
          const before = states.get(link) ?? 'drained'
          if (before === state || (before === 'lagging' && state === 'blocked'))
            throw new Error(`${before} ${state}`)
          if (state === 'lagging') lagged++
          states.set(link, state)
        }
      }
      for (const [seq, next] of acts.entries()) {
        if (next.type === 'push' && 'send' in next)
          egress.push(next.link, SENDS[next.send] as SendClass, batch(seq, next.size, next.repair))
        if (next.type === 'control') egress.push(next.link, SEND_CONTROL, have(seq))
        if (next.type === 'take') egress.take()
        if (next.type === 'writable') egress.setWritable(true)
        if (next.type === 'not-writable') egress.setWritable(false)
        if (next.type === 'signals') check()
        if (next.type === 'reopen') {
          check()
          egress.closeLink(next.link)
          egress.openLink(next.link)
          states.delete(next.link)
        }
        const queued = [1, 2, 3, 4].map(link => egress.queuedBytes(link))
        if (queued.some(bytes => bytes > LIMITS.maxQueuedBytesPerLink || bytes < 0)) return false
        if (egress.queuedBytes() > 600_000 || egress.queuedBytes() !== queued.reduce((a, b) => a + b))
          return false
      }
      egress.setWritable(true)
      for (let i = 0; egress.hasWork; i++) {
        if (i > 50) return false
        egress.take()
      }
      check()
      return egress.queuedBytes() === 0 && [...states.values()].every(state => state === 'drained')
    }),
    { numRuns: 200 }
  )
  t.true(lagged > 100, `${lagged} links lagged`)
})
