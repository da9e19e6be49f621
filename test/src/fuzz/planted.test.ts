/** Decoders with a fault: the fuzzer has to find each within the inputs that it spends on one decoder. */
import { LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { fuzz, type Target } from './fuzzer.js'
import { shareOf, TARGETS } from './targets.js'

const target = (name: string): Target => TARGETS.find(one => one.name === name) as Target

interface Planted {
  readonly fault: string
  readonly of: Target
  readonly decode: Target['decode']
  /** The rule that it breaks. */
  readonly rule: RegExp
}

const ok = (value: unknown): { ok: true; value: unknown } => ({ ok: true, value })
const little = (bytes: Uint8Array, at: number, size: number): number => {
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0)
  return value
}

const widthOf = (first = 0): number => (first <= 0xfc ? 1 : first === 0xfd ? 3 : first === 0xfe ? 5 : 9)

const [have, link, skip, writerName, frames, msgpack, entry, batch, offer] = [
  ...['gossip-have', 'gossip-link', 'gossip-skip', 'party-writer-name', 'party-frames', 'gossip-msgpack'],
  ...['feeds-entry', 'gossip-batch', 'gossip-offer']
].map(target) as [Target, Target, Target, Target, Target, Target, Target, Target, Target]

/** What was allocated is kept, else the compiler leaves it out. */
const held: unknown[] = []

const PLANTED: readonly Planted[] = [
  {
    fault: 'a field is read through a DataView, whose end nobody asks for',
    of: link,
    decode(bytes) {
      if (bytes.length > 3) new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint16(3)
      return link.decode(bytes)
    },
    rule: /^throws RangeError/
  },
  {
    fault: 'a list is allocated as long as its count says',
    of: have,
    decode(bytes) {
      if (bytes[1] === 0xfe) held.push(new Array(Math.min(little(bytes, 2, 4), 2 ** 19)).fill(0))
      return have.decode(bytes)
    },
    rule: /^(allocates over|takes over)/
  },
  {
    fault: 'a buffer is allocated as large as a length says',
    of: batch,
    decode(bytes) {
      if (bytes[4] === 0xfe) held.push(new Uint8Array(Math.min(little(bytes, 5, 4), 2 ** 22)))
      return batch.decode(bytes)
    },
    rule: /^(allocates over|takes over)/
  },
  {
    fault: 'a range is walked through seq by seq',
    of: target('gossip-miss'),
    decode(bytes) {
      const outcome = target('gossip-miss').decode(bytes)
      let walked = 0
      if (!outcome.ok) return outcome
      for (const { from, count } of (outcome.value as { entries: { from: number; count: number }[] })
        .entries) {
        for (let seq = from; seq < from + Math.min(count, 2 ** 24); seq++) walked += seq & 1
      }
      return walked < 0 ? ok(walked) : outcome
    },
    rule: /^takes over/
  },
  {
    fault: 'the end of a range is not checked, so it is beyond 2^53-1',
    of: offer,
    decode(bytes) {
      // The count stands behind the index and the first seq.
      const at = widthOf(bytes[0]) + widthOf(bytes[widthOf(bytes[0])])
      const count = bytes[at] ?? 0
      const copy = new Uint8Array(bytes)
      if (count > 0 && count <= LIMITS.maxBatchMessages) copy[at] = 1
      const outcome = offer.decode(copy)
      return outcome.ok ? ok({ ...(outcome.value as object), count }) : outcome
    },
    rule: /over a bound/
  },
  {
    fault: 'a number of eight bytes is not checked',
    of: skip,
    decode(bytes) {
      if (bytes[1] === 0xff && bytes.length >= 10) return ok({ ix: bytes[0], seq0: little(bytes, 2, 8) })
      return skip.decode(bytes)
    },
    rule: /number that is none/
  },
  {
    fault: 'a second spelling is taken',
    of: writerName,
    decode(bytes) {
      const shorter = writerName.decode(bytes.subarray(0, -1))
      return shorter.ok && bytes.at(-1) === 0 ? shorter : writerName.decode(bytes)
    },
    rule: /second spelling/
  },
  {
    fault: 'a value is a view on the network frame',
    of: frames,
    decode(bytes) {
      const outcome = frames.decode(bytes)
      const frame = outcome.ok ? (outcome.value as { type: string; author?: Uint8Array }) : null
      return frame?.type === 'bind' ? ok({ ...frame, author: bytes.subarray(1, 33) }) : outcome
    },
    rule: /view on the input/
  },
  {
    fault: 'an error of the library that is no plain Error gets out',
    of: msgpack,
    decode(bytes) {
      const outcome = msgpack.decode(bytes)
      if (!outcome.ok && bytes.length > 32 && bytes[31] === 0x91)
        throw new RangeError('Maximum call stack size exceeded')
      return outcome
    },
    rule: /^throws RangeError/
  },
  {
    fault: 'a fact is said to lie behind the end',
    of: entry,
    decode(bytes) {
      const outcome = entry.decode(bytes)
      const { facts } = outcome.ok ? (outcome.value as { facts: { length: number }[] }) : { facts: [] }
      const last = facts.at(-1)
      if (last !== undefined && facts.length > 2) last.length++
      return outcome
    },
    rule: /lies elsewhere/
  },
  {
    fault: 'a back-off is taken as it is said',
    of: link,
    decode(bytes) {
      const outcome = link.decode(bytes)
      return outcome.ok && bytes[2] === 0xff
        ? ok({
            ...(outcome.value as object),
            backoffMs: Math.min(little(bytes, 3, 8), Number.MAX_SAFE_INTEGER)
          })
        : outcome
    },
    rule: /over a bound/
  }
]

for (const { fault, of, decode, rule } of PLANTED) {
  test(`planted in ${of.name}: ${fault}`, t => {
    const inputs = shareOf(of, 1_000_000)
    const { failure, inputs: tried } = fuzz({ ...of, decode }, { inputs, seed: 20_260 })
    held.length = 0
    if (failure === null) return t.fail(`${tried} inputs didn't show it`)
    t.regex(failure.rule, rule)
    t.true(failure.input.length <= LIMITS.maxFrameBytes)
    t.is(
      fuzz(of, { inputs: 100, seed: 1, corpus: [failure.input] }).failure,
      null,
      'nor does the right decoder mind'
    )
  })
}
