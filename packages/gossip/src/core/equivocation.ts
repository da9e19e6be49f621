/**
 * Notices that an author signed two different batches for one seq, and keeps the proof.
 *
 * The window only knows that a seq was accepted, so other bytes under the same name look like a copy. Here 8 bytes of the
 * digest of what was accepted are kept for the last 64 seqs of each entry. A copy whose digest differs is verified; if it
 * is authentic, the two batches are the proof. An authentic batch that overlaps others is one, too: batches of an honest
 * author never overlap.
 *
 * Invariants:
 * 1. The first seen stays: nothing that was accepted is overwritten or taken back, and the other isn't forwarded.
 * 2. One proof per incarnation is enough: once it is there, further copies cost no signature.
 * 3. What is kept is bounded: 512 bytes per entry, as long as the entry lives, and `maxEvidence` pairs.
 *
 * Limits of it: differences more than 64 seqs back aren't noticed; the proof needs the first batch, which may have left
 * the cache. 8 bytes are no defence against an author who searches for two batches that agree in them.
 */
import b4a from 'b4a'
import type { AuthorEntry } from './author-entry.js'
import { BatchDigester, type SignedBatch } from './batch.js'
import { copyOf } from './bytes.js'
import { makeAuthorRef, nameOf } from './keys.js'
import type { Parts } from './parts.js'
import type { AuthorRef, Batch, CryptoPort, EquivocationEvidence, SignedStatement } from './types.js'

/** Seqs whose digest is remembered, per entry. */
const REMEMBERED = 64

/**
 * What was accepted for the last seqs of one entry. The slot of a seq is `seq % 64`. Only slots of seqs that the window
 * knows are looked at; those were written when the seq was accepted, and not since, as long as it is among the last 64.
 */
interface Prints {
  /** Two words a slot: the first 8 bytes of the digest of the batch that held the seq. */
  readonly words: Uint32Array
  top: number
}

/** What the detector works with. */
type EquivocationParts = Pick<Parts, 'options' | 'digester' | 'table' | 'cache' | 'outbox'>

/** Compares what arrives with what was accepted. */
export class EquivocationDetector {
  readonly #parts: EquivocationParts
  readonly #prints = new WeakMap<AuthorEntry, Prints>()
  /** By incarnation, oldest first; null: told, but without a proof. */
  readonly #found = new Map<string, EquivocationEvidence | null>()

  constructor(parts: EquivocationParts) {
    this.#parts = parts
  }

  /** Incarnations that were told and are still remembered; at most `maxEvidence`. */
  get size(): number {
    return this.#found.size
  }

  /** A batch was accepted: its digest is remembered for each of its seqs. */
  accepted(entry: AuthorEntry, batch: Batch): void {
    let prints = this.#prints.get(entry)
    if (prints === undefined) {
      prints = { words: new Uint32Array(2 * REMEMBERED), top: -1 }
      this.#prints.set(entry, prints)
    }
    const end = batch.seq0 + batch.count
    prints.top = Math.max(prints.top, end - 1)
    const print = printOf(this.#parts.digester.digest(batch))
    for (let seq = Math.max(batch.seq0, prints.top - REMEMBERED + 1); seq < end; seq++) {
      prints.words.set(print, slotOf(seq))
    }
  }

  /**
   * Does a batch whose seqs are all known differ from what was accepted for them? Costs a hash, no signature: that the
   * difference isn't a forgery is still to be checked.
   *
   * @param waiting - A batch with the same name that is being judged and isn't accepted yet.
   */
  differs(batch: SignedBatch, waiting?: Batch): boolean {
    if (this.#found.get(nameOf(batch.ref))) return false
    const entry = this.#parts.table.get(batch.ref)
    const prints = entry && this.#prints.get(entry)
    // One seq stands for all: an equal batch has equal seqs, another one differs in the digest of each.
    const last = batch.seq0 + batch.count - 1
    const words = prints && last <= prints.top && last > prints.top - REMEMBERED ? prints.words : null
    if (words === null && waiting === undefined) return false
    const print = printOf(this.#parts.digester.digest(batch))
    if (waiting !== undefined) return !isEqual(printOf(this.#parts.digester.digest(waiting)), print, 0)
    return words !== null && !isEqual(print, words, slotOf(last))
  }

  /**
   * An authentic batch has seqs that another one has, and isn't that one: tells it, with the proof if the other is still
   * to be had.
   */
  found(batch: Batch, waiting?: Batch): void {
    const { cache, outbox, options, table } = this.#parts
    const { ref, seq0, count } = batch
    const name = nameOf(ref)
    const known = this.#found.get(name)
    const first = waiting ?? cache.range(ref, { from: seq0, count }, Number.NEGATIVE_INFINITY)[0]
    // Told before; a proof is news.
    if (known || (known === null && first === undefined)) return
    const evidence = first === undefined ? null : evidenceOf(ref, first, batch)
    this.#found.delete(name)
    this.#found.set(name, evidence)
    for (const oldest of this.#found.keys()) {
      if (this.#found.size <= options.limits.maxEvidence) break
      this.#found.delete(oldest)
    }
    const window = table.get(ref)?.window
    let seq = first === undefined ? seq0 : Math.max(seq0, first.seq0)
    while (first === undefined && seq < seq0 + count - 1 && window?.check(seq) === 'fresh') seq++
    outbox.counters.equivocations++
    const { author, incarnationId: incarnation } = ref
    outbox.add({ type: 'equivocation', author, incarnation, seq, evidence })
  }
}

/**
 * Do two batches prove that their author signed two different things for one seq? Pure; the evidence may come from
 * anybody, in any shape: what isn't right is false, nothing throws.
 *
 * @param topicId - 32 bytes, of `topicIdOf(crypto, topicKey)`; the signatures are bound to it.
 */
export function verifyEquivocation(
  crypto: Pick<CryptoPort, 'hash' | 'keyedHash' | 'verify'>,
  topicId: Uint8Array,
  evidence: EquivocationEvidence
): boolean {
  if (!isBytes(topicId, 32) || !isEvidence(evidence)) return false
  const { author, incarnation, first, second } = evidence
  if (first.seq0 >= second.seq0 + second.count || second.seq0 >= first.seq0 + first.count) return false
  const ref = makeAuthorRef(author, incarnation)
  const digester = new BatchDigester(crypto, topicId)
  const [one, two] = [first, second].map(statement => digester.digest({ ...statement, ref }))
  if (one === undefined || two === undefined || b4a.equals(one, two)) return false
  return crypto.verify(first.signature, one, author) && crypto.verify(second.signature, two, author)
}

const slotOf = (seq: number): number => (seq % REMEMBERED) * 2

function printOf(digest: Uint8Array): Uint32Array {
  const view = new DataView(digest.buffer, digest.byteOffset, 8)
  return Uint32Array.of(view.getUint32(0), view.getUint32(4))
}

const isEqual = (print: Uint32Array, words: Uint32Array, slot: number): boolean =>
  words[slot] === print[0] && words[slot + 1] === print[1]

// Copies: the application may keep or change them.
function evidenceOf(ref: AuthorRef, first: Batch, second: Batch): EquivocationEvidence {
  return {
    author: ref.author,
    incarnation: ref.incarnation,
    first: statementOf(first),
    second: statementOf(second)
  }
}

function statementOf(batch: Batch): SignedStatement {
  const { seq0, count, createdMs, ttlSeconds, class: classBits, signature, payloadBytes } = batch
  return {
    seq0,
    count,
    createdMs,
    ttlSeconds,
    class: classBits,
    signature: copyOf(signature),
    payloadBytes: copyOf(payloadBytes)
  }
}

const isBytes = (value: unknown, size: number): value is Uint8Array =>
  value instanceof Uint8Array && value.length === size

const isUint = (value: unknown, max: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max

// Each number must be the one that the digest holds: a count of 65,537 is signed as 1, and would overlap what it doesn't.
function isStatement(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const {
    seq0,
    count,
    createdMs,
    ttlSeconds,
    class: classBits,
    signature,
    payloadBytes
  } = value as Partial<Record<keyof SignedStatement, unknown>>
  return (
    isUint(seq0, Number.MAX_SAFE_INTEGER - 0xffff) &&
    isUint(count, 0xffff) &&
    count !== 0 &&
    isUint(createdMs, Number.MAX_SAFE_INTEGER) &&
    isUint(ttlSeconds, 0xff) &&
    isUint(classBits, 0xff) &&
    isBytes(signature, 64) &&
    payloadBytes instanceof Uint8Array &&
    payloadBytes.length <= 0xffff_ffff
  )
}

function isEvidence(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { author, incarnation, first, second } = value as Partial<Record<keyof EquivocationEvidence, unknown>>
  return isBytes(author, 32) && isBytes(incarnation, 8) && isStatement(first) && isStatement(second)
}
