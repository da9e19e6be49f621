/** Every decoder of feeds: the header, the entries and the facts of a log, which a disk may have damaged. */
import {
  type Decoded,
  decodeEntry,
  decodeFact,
  decodeHeader,
  ENTRY_HEAD_BYTES,
  type Entry,
  encodeEntry,
  encodeFact,
  encodeHeader,
  entryBytesAt,
  type Fact
} from '@hearsay/feeds/core'
import type { Draw } from './draw.js'
import type { Target } from './fuzzer.js'

const MAX_ENTRY_BYTES = 1024 * 1024
const HEAD_BYTES = ENTRY_HEAD_BYTES + 8

const header: Target<Uint8Array> = {
  name: 'feeds-header',
  isCopy: true,
  decode: decodeHeader,
  encode: encodeHeader,
  make: draw => encodeHeader(draw.bytes(32))
}

function factOf(draw: Draw): Fact {
  const { rng } = draw
  const version = draw.uint()
  const bytes = (): Uint8Array => draw.bytes(draw.length(100))
  switch (rng.uint32() % 6) {
    case 0:
      return { kind: 'record', record: draw.bytes(draw.length(4096)) }
    case 1:
      return {
        kind: 'authorize',
        key: draw.bytes(32),
        version,
        policy: rng.chance(0.5) ? 1 : 0,
        evidence: bytes()
      }
    case 2: {
      const cutoff = rng.chance(0.5) ? null : draw.upTo(2 ** 53 - 2)
      return { kind: 'deny', feedId: draw.bytes(32), version, cutoff, purge: rng.chance(0.5) }
    }
    case 3:
      return {
        kind: 'quarantine',
        feedId: draw.bytes(32),
        fork: draw.uint(),
        length: draw.uint(),
        proof: bytes()
      }
    case 4:
      return { kind: 'meta', key: draw.bytes(32), origin: bytes(), meta: bytes() }
    default:
      return { kind: 'bulk-end' }
  }
}

const fact: Target<Fact> = {
  name: 'feeds-fact',
  isCopy: true,
  decode: decodeFact,
  encode: encodeFact,
  make: draw => encodeFact(factOf(draw))
}

/** What an entry says, and how its bytes are found in a log. The checksum would hide the rest of the decoder: it is apart. */
const entry: Target<Pick<Entry, 'facts'>> = {
  name: 'feeds-entry',
  decode(bytes): Decoded<Pick<Entry, 'facts'>> {
    const found = entryBytesAt(bytes, 0, MAX_ENTRY_BYTES)
    if (found > bytes.length) throw new Error('an entry beyond the end')
    const decoded = decodeEntry(bytes)
    return decoded.ok ? { ok: true, value: { facts: decoded.value.facts } } : decoded
  },
  check({ facts }, bytes) {
    let end = HEAD_BYTES
    for (const { offset, length } of facts) {
      if (offset < end || offset + length > bytes.length) return 'has a fact that lies elsewhere'
      end = offset + length
    }
    return null
  },
  make: draw =>
    encodeEntry(
      draw.upTo(2 ** 32),
      draw.list(draw.length(8), () => encodeFact(factOf(draw)))
    )
}

/** All of them. */
export const FEEDS_TARGETS = [header, fact, entry] as unknown as readonly Target[]
