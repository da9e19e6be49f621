/**
 * Reads a fact log: which of its entries are good, and whether what follows them is a torn end or damage.
 *
 * Nothing of a damaged log is applied: facts are handed out only after the whole file was judged.
 */
import b4a from 'b4a'
import { FeedsError } from '../errors.js'
import { decodeEntry, decodeHeader, entryBytesAt, type Fact, HEADER_BYTES, sequenceAt } from '../facts.js'
import type { FactLogOptions } from './fact-log.js'

/** Where a log goes on. */
export interface Replayed {
  position: number
  sequence: number
  /** Ever logged. */
  facts: number
  /** In this file. */
  inFile: number
}

/** @throws {FeedsError} `ERR_FEEDS_LOG_DAMAGED` with the offset, `ERR_FEEDS_LOG_FOREIGN`. */
export function replayLog(bytes: Uint8Array, options: FactLogOptions): Replayed {
  const header = decodeHeader(bytes)
  if (!header.ok) throw damaged(options.path, 0, header.reason)
  if (!b4a.equals(header.value, options.setId)) {
    const message = `fact log ${options.path} belongs to a set with another namespace`
    throw new FeedsError('ERR_FEEDS_LOG_FOREIGN', message)
  }
  const { path, limits } = options
  const end: Replayed = { position: HEADER_BYTES, sequence: 0, facts: 0, inFile: 0 }
  const replayed: { fact: Fact; offset: number; bytes: number }[] = []
  for (;;) {
    const size = entryBytesAt(bytes, end.position, limits.maxEntryBytes)
    if (size === 0) break
    const sequence = sequenceAt(bytes, end.position)
    if (sequence !== end.sequence) {
      throw damaged(path, end.position, `entry ${end.sequence} was expected, entry ${sequence} is there`)
    }
    const entry = decodeEntry(bytes.subarray(end.position, end.position + size))
    if (!entry.ok) throw damaged(path, end.position, entry.reason)
    for (const { fact, offset, length } of entry.value.facts) {
      replayed.push({ fact, offset: end.position + offset, bytes: length })
    }
    end.sequence++
    end.position += size
  }
  checkTail(bytes, end, options)
  end.inFile = replayed.length
  end.facts = everLogged(replayed.map(({ fact }) => fact))
  for (const { fact, offset, bytes: length } of replayed) options.replay(fact, offset, length)
  return end
}

/** A compacted log begins with what was logged before it. */
function everLogged(facts: readonly Fact[]): number {
  const [first] = facts
  return first?.kind === 'compacted' ? first.facts + facts.length - 1 - first.kept : facts.length
}

/** Throws unless only a torn piece of one entry, or zeros, follow the last good entry. */
function checkTail(bytes: Uint8Array, end: Replayed, options: FactLogOptions): void {
  const { path, limits } = options
  const { maxEntryBytes } = limits
  let last = bytes.byteLength
  while (last > end.position && bytes[last - 1] === 0) last--
  if (last - end.position > maxEntryBytes + 8) {
    throw damaged(path, end.position, 'more than one entry is unreadable')
  }
  const most = end.sequence + (bytes.byteLength - end.position) / 16
  for (let at = end.position + 1; at + 16 <= last; at++) {
    const sequence = sequenceAt(bytes, at)
    // Cheapest check first: nearly every offset fails it, so that the checksums don't make this quadratic.
    if (sequence < end.sequence || sequence > most) continue
    if (entryBytesAt(bytes, at, maxEntryBytes) > 0) {
      throw damaged(path, end.position, `entry ${end.sequence} is unreadable, entry ${sequence} follows`)
    }
  }
}

function damaged(path: string, offset: number, reason: string): FeedsError {
  const message =
    `fact log ${path} is damaged at byte ${offset}: ${reason}. Nothing was opened. Put back a copy of the file, or move it ` +
    'away and authorize the feeds again; revocations that only this file knew are lost then'
  return new FeedsError('ERR_FEEDS_LOG_DAMAGED', message, { offset })
}
