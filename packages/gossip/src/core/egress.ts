/**
 * What waits to be written on one connection, for all its topics: the backpressure of the stream is shared, so the queues
 * are, too. Sans-IO: the driver asks `take` what to write in one cork, writes it, and tells whether the stream is drained.
 *
 * One link:
 *   open    --over 64 KiB, or something waits and the connection isn't writable--> blocked   signal 'blocked'
 *   blocked --all written, writable----------------------------------------------> open      signal 'drained'
 *   open | blocked --over its bound, or largest of a connection over its bound---> lagging   payload dropped, signal 'lagging'
 *   lagging --all written, writable----------------------------------------------> open      signal 'drained'
 *
 * Invariants:
 * 1. Payload queued is within the bounds per link and per connection; one batch is always allowed, however large.
 * 2. A lagging link takes no payload: it costs no memory per message.
 * 3. Frames of one link and class leave in the order of `push`. Classes are served strictly in order; inside a class
 *    deficit round robin over links, so that a topic with large batches takes no more bytes than one with small ones
 *    (Shreedhar and Varghese, "Efficient Fair Queuing Using Deficit Round Robin", 1996).
 * 4. A link is told 'drained' after each 'blocked' or 'lagging', unless it closes.
 */
import type { Limits } from '../limits.js'
import { ControlQueue } from './control-queue.js'
import { authorBytesOf, FrameWriter, sizeOf, type WrittenFrame } from './frame-writer.js'
import { type Batch, type LinkId, type OutFrame, SEND_OWN, type SendClass } from './types.js'

/** A change of a link's queue that the core has to know. */
export interface EgressSignal {
  /** Whose queue it is: the number that was given to `openLink`. */
  readonly link: LinkId
  /** Type of the input that the core of the link's topic has to be told. */
  readonly state: 'blocked' | 'drained' | 'lagging'
}

/** Bytes that a link may send per round: one full batch. */
const QUANTUM_BYTES = 16 * 1024

interface WaitingBatch {
  readonly frame: OutFrame
  readonly size: number
}

/** Payload of one class of one link. */
interface Lane {
  readonly queue: LinkQueue
  waiting: WaitingBatch[]
  deficit: number
}

interface LinkQueue {
  readonly link: LinkId
  readonly writer: FrameWriter
  readonly control: ControlQueue
  /** By class, own batches first. */
  readonly lanes: readonly Lane[]
  bytes: number
  batches: number
  state: 'open' | 'blocked' | 'lagging'
}

/** What one `take` wrote so far. */
interface Cork {
  readonly frames: WrittenFrame[]
  bytes: number
  readonly nowMs: number | null
}

/** The queues of one connection. */
export class Egress {
  readonly #limits: Limits
  readonly #queues = new Map<LinkId, LinkQueue>()
  /** Queues with control frames that may be written, longest waiting first. */
  readonly #controls = new Set<LinkQueue>()
  /** By class: lanes with payload, next to be served first. */
  readonly #active: Lane[][] = [[], [], []]
  /** Queues that aren't open. */
  readonly #troubled = new Set<LinkQueue>()
  #signals: EgressSignal[] = []
  #isWritable = true
  #bytes = 0
  #batches = 0
  #droppedBatches = 0
  #droppedControl = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Batches that were dropped: the link lagged, or an answer to a WANT didn't fit. */
  get droppedBatches(): number {
    return this.#droppedBatches
  }

  /** Control frames that were dropped because too many waited. */
  get droppedControl(): number {
    return this.#droppedControl
  }

  /** Is there something that `take` would return now? */
  get hasWork(): boolean {
    return this.#isWritable && (this.#batches > 0 || this.#controls.size > 0)
  }

  /** Makes an empty queue for `link`; no effect if it has one. */
  openLink(link: LinkId): void {
    if (this.#queues.has(link)) return
    const lanes: Lane[] = []
    const queue: LinkQueue = {
      link,
      writer: new FrameWriter(this.#limits, link),
      control: new ControlQueue(this.#limits),
      lanes,
      bytes: 0,
      batches: 0,
      state: 'open'
    }
    for (let i = 0; i < this.#active.length; i++) lanes.push({ queue, waiting: [], deficit: 0 })
    this.#queues.set(link, queue)
  }

  /** Drops the queue of `link` with all that waits, and its signals. */
  closeLink(link: LinkId): void {
    const queue = this.#queues.get(link)
    if (queue === undefined) return
    this.#dropPayload(queue)
    this.#controls.delete(queue)
    this.#troubled.delete(queue)
    this.#queues.delete(link)
    this.#signals = this.#signals.filter(signal => signal.link !== link)
  }

  /**
   * Queues `frame`. Frames other than batches are control, whatever their class, and coalesce. A batch for a link that
   * lags is dropped. So is an answer to a WANT that doesn't fit: it is asked for again, and must not make a link lag that
   * keeps up with what is new. A link that isn't open is ignored.
   */
  push(link: LinkId, sendClass: SendClass, frame: OutFrame): void {
    const queue = this.#queues.get(link)
    if (queue === undefined) return
    if (frame.kind === 'batch') {
      this.#pushBatch(queue, Math.max(sendClass, SEND_OWN), frame)
    } else {
      const forgotten = queue.control.add(frame)
      this.#controls.add(queue)
      if (forgotten !== 'nothing') this.#droppedControl++
      // The peer gets all watermarks when the link is drained, exactly as after lost payload.
      if (forgotten === 'watermarks') this.#lag(queue)
    }
    this.#block(queue)
  }

  /** The other end has this batch: it needn't be sent, unless it was written already. */
  cancel(link: LinkId, batch: Batch): void {
    const queue = this.#queues.get(link)
    if (queue === undefined) return
    for (const [i, lane] of queue.lanes.entries()) {
      // It may wait twice: pushed, and as an answer.
      const isIt = ({ frame }: WaitingBatch): boolean => frame.kind === 'batch' && frame.batch === batch
      const cancelled = lane.waiting.filter(isIt)
      if (cancelled.length === 0) continue
      lane.waiting = lane.waiting.filter(waiting => !isIt(waiting))
      for (const { size } of cancelled) this.#count(queue, -size, -1)
      if (lane.waiting.length > 0) continue
      this.#active[i] = (this.#active[i] ?? []).filter(other => other !== lane)
      lane.deficit = 0
    }
  }

  /** Tells whether the stream takes more: false once it isn't drained after a write, true when it drained. */
  setWritable(isWritable: boolean): void {
    if (isWritable === this.#isWritable) return
    this.#isWritable = isWritable
    if (!isWritable) for (const queue of this.#queues.values()) this.#block(queue)
  }

  /**
   * What to write now, in this order, in one cork; at most `maxCorkBytes`, but always at least one frame.
   *
   * @param nowMs - Paces AUTHOR frames, as each driver of a network must. Default: they aren't paced.
   */
  take(nowMs: number | null = null): WrittenFrame[] {
    const cork: Cork = { frames: [], bytes: 0, nowMs }
    if (!this.#isWritable) return cork.frames
    if (!this.#takeControl(cork)) return cork.frames
    for (let i = 0; i < this.#active.length; i++) if (!this.#takeClass(i, cork)) break
    return cork.frames
  }

  /** Changes since the last call, in order. Call it after `push`, and after `take` and `setWritable`. */
  signals(): EgressSignal[] {
    if (this.#isWritable) {
      for (const queue of this.#troubled) {
        if (this.#isWaiting(queue)) continue
        queue.state = 'open'
        this.#troubled.delete(queue)
        this.#signals.push({ link: queue.link, state: 'drained' })
      }
    }
    if (this.#signals.length === 0) return []
    const signals = this.#signals
    this.#signals = []
    return signals
  }

  /** Payload bytes that wait for `link`, or for the whole connection. */
  queuedBytes(link?: LinkId): number {
    return link === undefined ? this.#bytes : (this.#queues.get(link)?.bytes ?? 0)
  }

  #pushBatch(queue: LinkQueue, sendClass: number, frame: Extract<OutFrame, { kind: 'batch' }>): void {
    const size = sizeOf(frame)
    if (queue.state === 'lagging' || (frame.repair && !this.#hasRoom(queue, size))) {
      this.#droppedBatches++
      return
    }
    const lane = queue.lanes[sendClass - SEND_OWN] as Lane
    if (lane.waiting.length === 0) this.#active[sendClass - SEND_OWN]?.push(lane)
    lane.waiting.push({ frame, size })
    this.#count(queue, size, 1)
    const { maxQueuedBytesPerLink, maxQueuedBatchesPerLink, maxQueuedBytesPerConnection } = this.#limits
    const isOver = queue.bytes > maxQueuedBytesPerLink || queue.batches > maxQueuedBatchesPerLink
    if (isOver && queue.batches > 1) this.#lag(queue)
    while (this.#bytes > maxQueuedBytesPerConnection && this.#batches > 1) this.#lag(this.#largest(queue))
  }

  #hasRoom(queue: LinkQueue, size: number): boolean {
    const { maxQueuedBytesPerLink, maxQueuedBatchesPerLink, maxQueuedBytesPerConnection } = this.#limits
    const linkHasRoom = queue.bytes + size <= maxQueuedBytesPerLink && queue.batches < maxQueuedBatchesPerLink
    return this.#batches === 0 || (linkHasRoom && this.#bytes + size <= maxQueuedBytesPerConnection)
  }

  #largest(first: LinkQueue): LinkQueue {
    let largest = first
    for (const queue of this.#queues.values()) if (queue.bytes > largest.bytes) largest = queue
    return largest
  }

  #lag(queue: LinkQueue): void {
    this.#dropPayload(queue)
    if (queue.state === 'lagging') return
    queue.state = 'lagging'
    this.#troubled.add(queue)
    this.#signals.push({ link: queue.link, state: 'lagging' })
  }

  #block(queue: LinkQueue): void {
    if (queue.state !== 'open') return
    if (queue.bytes <= this.#limits.blockedBytes && (this.#isWritable || !this.#isWaiting(queue))) return
    queue.state = 'blocked'
    this.#troubled.add(queue)
    this.#signals.push({ link: queue.link, state: 'blocked' })
  }

  // Watermarks of authors that may not be named yet don't count: the stream could take them.
  #isWaiting(queue: LinkQueue): boolean {
    return queue.batches > 0 || (this.#controls.has(queue) && !queue.control.isEmpty)
  }

  #dropPayload(queue: LinkQueue): void {
    this.#droppedBatches += queue.batches
    this.#count(queue, -queue.bytes, -queue.batches)
    for (const [i, lane] of queue.lanes.entries()) {
      if (lane.waiting.length > 0) this.#active[i] = (this.#active[i] ?? []).filter(other => other !== lane)
      lane.waiting = []
      lane.deficit = 0
    }
  }

  #count(queue: LinkQueue, bytes: number, batches: number): void {
    queue.bytes += bytes
    queue.batches += batches
    this.#bytes += bytes
    this.#batches += batches
  }

  /** False: the cork is full. */
  #takeControl(cork: Cork): boolean {
    for (const queue of this.#controls) {
      if (!this.#takeControlOf(queue, cork)) return false
      this.#controls.delete(queue)
    }
    return true
  }

  #takeControlOf(queue: LinkQueue, cork: Cork): boolean {
    const { control, writer } = queue
    const { pace } = writer
    const { nowMs } = cork
    const maxHaveEntries = nowMs === null || pace.takesHaves(nowMs) ? writer.maxHaveEntries : 0
    const waiting: OutFrame[] = []
    let frame = control.next(maxHaveEntries)
    for (; frame !== undefined; frame = control.next(maxHaveEntries)) {
      const { now, later } = nowMs === null ? { now: frame, later: null } : pace.split(frame, nowMs)
      if (later !== null) waiting.push(later)
      if (now === null || this.#write(cork, { queue, frame: now, size: sizeOf(now) })) continue
      control.giveBack(now)
      break
    }
    for (const later of waiting) control.add(later)
    return frame === undefined
  }

  /** One class, by deficit round robin. False: the cork is full. */
  #takeClass(index: number, cork: Cork): boolean {
    const active = this.#active[index] as Lane[]
    for (let lane = active[0]; lane !== undefined; lane = active[0]) {
      lane.deficit += QUANTUM_BYTES
      for (let next = lane.waiting[0]; next !== undefined; next = lane.waiting[0]) {
        if (next.size > lane.deficit) break
        if (cork.nowMs !== null && lane.queue.writer.pace.split(next.frame, cork.nowMs).now === null) {
          this.#droppedBatches++
        } else if (!this.#write(cork, { queue: lane.queue, ...next })) {
          // It goes on here with what it has left; it isn't given the quantum of this round twice.
          lane.deficit -= QUANTUM_BYTES
          return false
        }
        lane.waiting.shift()
        lane.deficit -= next.size
        this.#count(lane.queue, -next.size, -1)
      }
      active.shift()
      if (lane.waiting.length > 0) active.push(lane)
      else lane.deficit = 0
    }
    return true
  }

  #write(cork: Cork, next: WaitingBatch & { queue: LinkQueue }): boolean {
    const { frame, size, queue } = next
    const mayTake = this.#limits.maxCorkBytes - size - authorBytesOf(frame)
    const first = cork.frames.length
    if (first > 0 && cork.bytes > mayTake) return false
    queue.writer.write(frame, cork.frames)
    for (let i = first; i < cork.frames.length; i++) cork.bytes += cork.frames[i]?.bytes.length ?? 0
    return true
  }
}
