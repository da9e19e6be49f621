/**
 * A connection between two simulated processes: two ordered byte streams, each with latency, jitter and a bandwidth.
 *
 * As on a real transport nothing is lost, doubled or reordered inside of a stream; what goes missing goes missing
 * because the connection is cut, with all that is under way, or because an end is dead and nobody says so. While it is
 * stalled (a partition) everything waits.
 */
import type { EventQueue } from './event-queue.js'
import type { Rng } from './rng.js'

/** What travels: the hello, a frame, or the end of the channel. */
export type Packet =
  | { type: 'hello'; bytes: Uint8Array }
  | { type: 'frame'; kind: number; bytes: Uint8Array; tainted: boolean }
  | { type: 'close' }

/** Delay and width of one direction. */
export interface WireOptions {
  /** Unloaded one-way delay in ms. */
  latencyMs: number
  /** Added at random to each packet, 0 to this; order is kept. */
  jitterMs: number
  /** Bytes per ms; Infinity: as wide as you like. */
  bytesPerMs: number
}

/** Unsent bytes at which a stream says that it isn't drained, as measured on real ones. */
export const HIGH_WATER_BYTES = 16 * 1024

/** One direction of a connection. */
export class Wire {
  readonly options: WireOptions
  /** Packets that a cut took with it. */
  lost = 0
  /** Called when the stream has room again after it had none. */
  onDrain: () => void = () => {}
  readonly #queue: EventQueue
  readonly #rng: Rng
  readonly #receive: (packet: Packet) => void
  /** Written, not sent yet; the first one is being sent. */
  readonly #unsent: Packet[] = []
  /** Arrived, but stalled. */
  readonly #held: Packet[] = []
  #unsentBytes = 0
  /** Of the packet that is being sent: another width starts it again. */
  #sending = 0
  #arrivesAtMs = 0
  #underWay = 0
  #wasFull = false
  #isStalled = false
  #isCut = false

  constructor(queue: EventQueue, rng: Rng, options: WireOptions, receive: (packet: Packet) => void) {
    this.#queue = queue
    this.#rng = rng
    this.options = options
    this.#receive = receive
  }

  /** Is there room for more without queueing? */
  get isDrained(): boolean {
    return this.#unsentBytes <= HIGH_WATER_BYTES
  }

  /** Puts a packet at the end of the stream. */
  send(packet: Packet): void {
    if (this.#isCut) return
    this.#underWay++
    if (this.options.bytesPerMs === Number.POSITIVE_INFINITY && this.#unsent.length === 0) {
      this.#depart(packet)
      return
    }
    this.#unsent.push(packet)
    this.#unsentBytes += sizeOf(packet)
    if (!this.isDrained) this.#wasFull = true
    if (this.#unsent.length === 1) this.#sendNext()
  }

  /** Makes the stream as wide as this from now on, for what is unsent, too. */
  setWidth(bytesPerMs: number): void {
    this.options.bytesPerMs = bytesPerMs
    if (this.#unsent.length > 0) this.#sendNext()
  }

  /** Holds everything back until `resume`. */
  stall(): void {
    this.#isStalled = true
  }

  /** Lets go what was held back, in order. */
  resume(): void {
    this.#isStalled = false
    for (const packet of this.#held.splice(0)) this.#deliver(packet)
  }

  /** Ends the stream; what is under way is lost. */
  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.lost += this.#underWay
  }

  #sendNext(): void {
    const [packet] = this.#unsent
    if (packet === undefined || this.#isCut) return
    const sending = ++this.#sending
    this.#queue.after(sizeOf(packet) / this.options.bytesPerMs, () => {
      if (sending !== this.#sending || this.#isCut) return
      this.#unsent.shift()
      this.#unsentBytes -= sizeOf(packet)
      this.#depart(packet)
      if (this.#wasFull && this.isDrained) {
        this.#wasFull = false
        this.onDrain()
      }
      this.#sendNext()
    })
  }

  #depart(packet: Packet): void {
    const { latencyMs, jitterMs } = this.options
    const arrival = this.#queue.nowMs + latencyMs + this.#rng.float() * jitterMs
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, arrival)
    this.#queue.at(this.#arrivesAtMs, () => {
      if (this.#isStalled) this.#held.push(packet)
      else this.#deliver(packet)
    })
  }

  #deliver(packet: Packet): void {
    if (this.#isCut) return
    this.#underWay--
    this.#receive(packet)
  }
}

/** Bytes on the wire, with what Protomux and Noise add. */
const sizeOf = (packet: Packet): number => (packet.type === 'close' ? 1 : packet.bytes.length + 22)
