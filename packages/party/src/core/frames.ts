/**
 * Frames of the party channel: the hello and the messages 0 to 17, encoded and decoded under limits.
 *
 * The number of a message is its index on the channel: append only. Unknown indexes, sets, feature bits and bytes behind
 * the known fields are ignored. Decoded frames are copies. What a frame means, and in which phase it may come, is the
 * channel's business.
 */
import type { DigestChild, DigestFrame, DigestGroup, DigestNode, DigestRange } from '@hearsay/feeds/core'
import b4a from 'b4a'
import { LIMITS } from '../limits.js'
import { copyOf, Reader, Writer } from './bytes.js'
import {
  type AnswerResult,
  CLOSE_REASONS,
  type CloseReason,
  FRAME_TYPES,
  type Hello,
  type LengthEntry,
  PARTY_VERSION,
  type PartyFrame
} from './frame-types.js'
import type { SetNumber } from './keys.js'
import { type Result, success, TOO_LARGE, UNKNOWN } from './result.js'

export * from './frame-types.js'

const VERDICTS = ['rejected', 'accepted', 'pending', 'ignored'] as const
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const SLOT_BYTES = 16
const ROOT_BYTES = 16
const SHORT_BYTES = 8
const ROUND_MAX = 2 ** 32 - 1
const FORK_MAX = 2 ** 32 - 1
const LENGTH_MAX = 2 ** 48 - 1

/** Message index of a frame. */
export function frameIndex(type: PartyFrame['type']): number {
  return FRAME_TYPES.indexOf(type)
}

/** Writes a hello. */
export function encodeHello(hello: Hello): Uint8Array {
  const writer = new Writer().u8(hello.version).fixed(hello.proof)
  return writer.uint(hello.features).uint(hello.maxFrameBytes).finish()
}

/** Reads a hello. One of another version has a version and perhaps no more: it is told apart by `version` alone. */
export function decodeHello(bytes: Uint8Array): Result<Hello> {
  if (bytes.length > LIMITS.maxHelloBytes) return TOO_LARGE
  const reader = new Reader(copyOf(bytes))
  const version = reader.u8()
  if (reader.isGood && version !== PARTY_VERSION) {
    return success({ version, proof: new Uint8Array(KEY_BYTES), features: 0, maxFrameBytes: 0 })
  }
  const hello = {
    version,
    proof: reader.fixed(KEY_BYTES),
    features: reader.uint(),
    maxFrameBytes: reader.uint()
  }
  return finish(reader, hello)
}

/** Writes the bytes of a frame; its message index is `frameIndex(frame.type)`. Bounds are the caller's. */
export function encodeFrame(frame: PartyFrame): Uint8Array {
  const writer = new Writer()
  switch (frame.type) {
    case 'bind':
      writer.fixed(frame.author).fixed(frame.signature).uint(frame.setVersion)
      return writer.buffer(b4a.from(frame.agent)).buffer(frame.credential).finish()
    case 'root':
    case 'nodes':
    case 'items':
    case 'pull':
    case 'done':
      return writeDigest(writer.u8(frame.set).uint(frame.round), frame).finish()
    case 'records':
      writer
        .u8(frame.set)
        .uint(frame.round)
        .u8(frame.isLast ? 1 : 0)
      return writeBuffers(writer, frame.records).finish()
    case 'ready':
      return writer.u8(0).finish()
    case 'introduce':
      return writeBuffers(writer.uint(frame.call), frame.records).finish()
    case 'answer':
      return writeAnswer(writer.uint(frame.call), frame.results).finish()
    case 'lengths':
      return writeLengths(writer, frame.entries).finish()
    case 'grant':
      writer.u8(frame.isGranted ? 1 : 0)
      return writeFixed(writer, frame.slots).u8(frame.reason).finish()
    case 'request':
    case 'response':
      return writer.uint(frame.call).buffer(b4a.from(frame.name)).fixed(frame.value).finish()
    case 'error':
      return writer.uint(frame.call).buffer(b4a.from(frame.code)).buffer(b4a.from(frame.message)).finish()
    case 'ephemeral':
      return writer.buffer(b4a.from(frame.name)).fixed(frame.value).finish()
    case 'synced':
      return writer.uint(frame.round).uint(frame.missing).finish()
    case 'close':
      return writer.u8(closeNumber(frame.reason)).buffer(b4a.from(frame.text)).finish()
  }
}

/** Reads a frame. 'unknown': an index or set of a later version, to be ignored. */
export function decodeFrame(index: number, bytes: Uint8Array): Result<PartyFrame> {
  const type = FRAME_TYPES[index]
  if (type === undefined) return UNKNOWN
  if (bytes.length > LIMITS.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(copyOf(bytes))
  return finish(reader, readFrame(type, reader))
}

function finish<T>(reader: Reader, value: T): Result<T> {
  return reader.reason === null ? success(value) : { ok: false, reason: reader.reason }
}

function readFrame(type: PartyFrame['type'], reader: Reader): PartyFrame {
  switch (type) {
    case 'bind':
      return {
        type,
        author: reader.fixed(KEY_BYTES),
        signature: reader.fixed(SIGNATURE_BYTES),
        setVersion: reader.uint(),
        agent: readText(reader, LIMITS.maxAgentBytes),
        credential: reader.buffer(LIMITS.maxCredentialBytes)
      }
    case 'root':
    case 'nodes':
    case 'items':
    case 'pull':
    case 'records':
    case 'done':
      return readSetFrame(type, reader)
    case 'ready':
      reader.u8()
      return { type }
    case 'introduce':
      return { type, call: reader.uint(), records: readRecords(reader) }
    case 'answer':
      return { type, call: reader.uint(), results: readAnswer(reader) }
    case 'lengths':
      return { type, entries: readLengths(reader) }
    case 'grant': {
      const isGranted = reader.u8() !== 0
      return { type, isGranted, slots: readFixed(reader, SLOT_BYTES, LIMITS.maxSlots), reason: reader.u8() }
    }
    default:
      return readMessage(type, reader)
  }
}

type MessageType = 'request' | 'response' | 'error' | 'ephemeral' | 'synced' | 'close'

function readMessage(type: MessageType, reader: Reader): PartyFrame {
  switch (type) {
    case 'request':
    case 'response': {
      const call = reader.uint()
      return { type, call, name: readText(reader, LIMITS.maxTypeBytes), value: reader.rest() }
    }
    case 'error': {
      const call = reader.uint()
      const code = readText(reader, LIMITS.maxTypeBytes)
      return { type, call, code, message: readText(reader, LIMITS.maxErrorBytes) }
    }
    case 'ephemeral':
      return { type, name: readText(reader, LIMITS.maxTypeBytes), value: reader.rest() }
    case 'synced':
      return { type, round: reader.uint(ROUND_MAX), missing: reader.uint() }
    case 'close': {
      const reason = CLOSE_REASONS[reader.u8()] ?? 'unknown'
      return { type, reason, text: readText(reader, LIMITS.maxReasonBytes) }
    }
  }
}

type SetFrameType = 'root' | 'nodes' | 'items' | 'pull' | 'records' | 'done'

function readSetFrame(type: SetFrameType, reader: Reader): PartyFrame {
  const set = readSet(reader)
  const round = reader.uint(ROUND_MAX)
  if (round === 0 && type !== 'records') reader.fail('malformed')
  switch (type) {
    case 'root':
      return { type, set, round, count: reader.uint(), fp: reader.fixed(ROOT_BYTES) }
    case 'nodes': {
      const count = reader.count(LIMITS.maxNodes, 3)
      return { type, set, round, nodes: readList(count, () => readNode(reader)) }
    }
    case 'items': {
      const isReply = reader.u8() !== 0
      return { type, set, round, isReply, groups: readGroups(reader) }
    }
    case 'pull': {
      const count = reader.count(LIMITS.maxGroups, 1)
      const all = readList(count, () => readRange(reader))
      return { type, set, round, all, shorts: readFixed(reader, SHORT_BYTES, LIMITS.maxShorts) }
    }
    case 'records': {
      const isLast = reader.u8() !== 0
      return { type, set, round, isLast, records: readRecords(reader) }
    }
    case 'done':
      return { type, set, round }
  }
}

function readSet(reader: Reader): SetNumber {
  const set = reader.u8()
  if (set <= 2) return set as SetNumber
  reader.fail('unknown')
  return 0
}

function readRange(reader: Reader): DigestRange {
  const depth = reader.u8()
  if (depth > LIMITS.maxDepth) reader.fail('malformed')
  const path = reader.isGood ? reader.fixed(Math.ceil(depth / 2)) : new Uint8Array(0)
  // One range has one spelling, else a list could name it twice.
  if (depth % 2 === 1 && ((path.at(-1) ?? 0) & 0x0f) !== 0) reader.fail('malformed')
  return { depth, path }
}

function readNode(reader: Reader): DigestNode {
  const range = readRange(reader)
  const occupied = reader.u16()
  const children: DigestChild[] = []
  for (let nibble = 0; nibble < 16; nibble++) {
    if ((occupied & (1 << nibble)) === 0) continue
    children.push({ nibble, count: reader.uint(), fp: reader.fixed(SHORT_BYTES) })
  }
  return { ...range, children }
}

function readGroups(reader: Reader): DigestGroup[] {
  const count = reader.count(LIMITS.maxGroups, 2)
  let left = LIMITS.maxShorts
  return readList(count, () => {
    const range = readRange(reader)
    const shorts = readFixed(reader, SHORT_BYTES, left)
    left -= shorts.length
    return { ...range, shorts }
  })
}

function readRecords(reader: Reader): Uint8Array[] {
  const count = reader.count(LIMITS.maxRecords, 1)
  return readList(count, () => reader.buffer(LIMITS.maxRecordBytes))
}

function readAnswer(reader: Reader): AnswerResult[] {
  const count = reader.count(LIMITS.maxSlots, KEY_BYTES + 2)
  return readList(count, () => {
    const key = reader.fixed(KEY_BYTES)
    const verdict = VERDICTS[reader.u8()]
    if (verdict === undefined) reader.fail('malformed')
    return { key, verdict: verdict ?? 'ignored', reason: readText(reader, LIMITS.maxReasonBytes) }
  })
}

function readLengths(reader: Reader): LengthEntry[] {
  const count = reader.count(LIMITS.maxLengths, SLOT_BYTES + 3)
  return readList(count, () => {
    const slot = reader.fixed(SLOT_BYTES)
    const fork = reader.uint(FORK_MAX)
    const length = reader.uint(LENGTH_MAX)
    const complete = reader.uint(LENGTH_MAX)
    if (complete > length) reader.fail('malformed')
    return { slot, fork, length, complete }
  })
}

function readFixed(reader: Reader, size: number, max: number): Uint8Array[] {
  const count = reader.count(max, size)
  return readList(count, () => reader.fixed(size))
}

function readText(reader: Reader, maxBytes: number): string {
  return b4a.toString(reader.buffer(maxBytes))
}

function readList<T>(count: number, read: () => T): T[] {
  const list: T[] = []
  for (let i = 0; i < count; i++) list.push(read())
  return list
}

function writeDigest(writer: Writer, frame: DigestFrame): Writer {
  switch (frame.type) {
    case 'root':
      return writer.uint(frame.count).fixed(frame.fp)
    case 'nodes':
      writer.uint(frame.nodes.length)
      for (const node of frame.nodes) writeNode(writer, node)
      return writer
    case 'items':
      writer.u8(frame.isReply ? 1 : 0).uint(frame.groups.length)
      for (const group of frame.groups) writeFixed(writeRange(writer, group), group.shorts)
      return writer
    case 'pull':
      writer.uint(frame.all.length)
      for (const range of frame.all) writeRange(writer, range)
      return writeFixed(writer, frame.shorts)
    case 'done':
      return writer
  }
}

function writeRange(writer: Writer, range: DigestRange): Writer {
  return writer.u8(range.depth).fixed(range.path)
}

function writeNode(writer: Writer, node: DigestNode): void {
  let occupied = 0
  for (const child of node.children) occupied |= 1 << child.nibble
  writeRange(writer, node).u16(occupied)
  for (const child of node.children) writer.uint(child.count).fixed(child.fp)
}

function writeAnswer(writer: Writer, results: readonly AnswerResult[]): Writer {
  writer.uint(results.length)
  for (const { key, verdict, reason } of results) {
    writer.fixed(key).u8(VERDICTS.indexOf(verdict)).buffer(b4a.from(reason))
  }
  return writer
}

function writeLengths(writer: Writer, entries: readonly LengthEntry[]): Writer {
  writer.uint(entries.length)
  for (const entry of entries) {
    writer.fixed(entry.slot).uint(entry.fork).uint(entry.length).uint(entry.complete)
  }
  return writer
}

function writeBuffers(writer: Writer, list: readonly Uint8Array[]): Writer {
  writer.uint(list.length)
  for (const bytes of list) writer.buffer(bytes)
  return writer
}

function writeFixed(writer: Writer, list: readonly Uint8Array[]): Writer {
  writer.uint(list.length)
  for (const bytes of list) writer.fixed(bytes)
  return writer
}

function closeNumber(reason: CloseReason): number {
  return reason === 'unknown' ? 0xff : CLOSE_REASONS.indexOf(reason)
}
