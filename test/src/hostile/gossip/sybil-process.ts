/**
 * A process of hostile members that flood one victim. No test: the tests start it.
 *
 * Arguments: port, mode, number of sybils, frames per second of each, seconds. Modes:
 *   `forgers`  bad signatures; who is cut off comes back at once as somebody else, with another Noise key
 *   `authors`  valid messages, of an author each
 *   `haves`    HAVE with 1,000 entries, of authors that nobody has heard of
 *   `prunes`   PRUNE of the same 1,000 authors
 * It prints `ready`, waits for a line, and prints what it did as JSON when the time is over.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { type Batch, encodeHave, encodePrune, FrameKind, LIMITS } from '@hearsay/gossip/core'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import { TOPIC_KEY } from '../../support/attack.js'
import { inventedAuthors, RawAuthor, RawPeer } from '../../support/raw-peer.js'

const [mode = '', ...numbers] = process.argv.slice(3)
const port = Number(process.argv[2])
const [count, perSecond, seconds] = numbers.map(Number) as [number, number, number]
/** Frames go out in such steps: timers are no finer. */
const STEP_MS = 10
const author = new RawAuthor(TOPIC_KEY)
const forged = { ...author.batch(['forged']), signature: new Uint8Array(64) }

const many = inventedAuthors(LIMITS.maxHaveEntries)
const ixs = many.map((_, ix) => ix)
const prune = encodePrune(ixs)

/** What was done: printed in the end. */
const done = { sent: 0, cuts: 0, longestMs: 0 }

async function join(): Promise<RawPeer> {
  const stream = new NoiseSecretStream(true, connect(port, '127.0.0.1'))
  stream.on('error', () => {})
  const peer = new RawPeer(stream, TOPIC_KEY)
  await stream.opened
  await peer.link()
  return peer
}

/** One hostile member, or one after the other. */
class Sybil {
  #peer: RawPeer
  #sent = 0
  readonly #batches: readonly Batch[]

  constructor(peer: RawPeer, batches: readonly Batch[]) {
    this.#peer = peer
    this.#batches = batches
  }

  async flood(endMs: number): Promise<void> {
    while (performance.now() < endMs) {
      const startMs = performance.now()
      await this.#floodAs(this.#peer, endMs)
      if (this.#peer.isOpen) return
      done.cuts++
      done.longestMs = Math.max(done.longestMs, performance.now() - startMs)
      this.#peer.stream.destroy()
      this.#peer = await join()
    }
  }

  async #floodAs(peer: RawPeer, endMs: number): Promise<void> {
    if (mode === 'haves' || mode === 'prunes') for (const [ix, ref] of many.entries()) peer.bind(ref, ix)
    const startMs = performance.now()
    for (let sent = 0; peer.isOpen && performance.now() < endMs; ) {
      const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond)
      peer.atOnce(() => {
        for (; sent < due; sent++) this.#send(peer)
      })
      await new Promise(resolve => setTimeout(resolve, STEP_MS))
    }
  }

  #send(peer: RawPeer): void {
    const n = this.#sent++
    done.sent++
    const batch = this.#batches[n]
    if (mode === 'forgers') peer.push({ ...forged, seq0: n, createdMs: Date.now() })
    else if (mode === 'prunes') peer.send(FrameKind.prune, prune)
    else if (mode === 'haves') {
      const entries = many.map(ref => ({ ref, next: n & 255, ahead: 0 }))
      peer.send(FrameKind.have, encodeHave('tick', entries, ixs))
    } else if (batch !== undefined) peer.push(batch)
  }
}

// Signed before anybody connects: what is measured is the victim.
function signed(): Batch[] {
  const own = new RawAuthor(TOPIC_KEY)
  const messages = mode === 'authors' ? perSecond * seconds : 0
  return Array.from({ length: messages }, (_, seq0) => own.batch([`message ${seq0}`], { seq0 }))
}

const lists = Array.from({ length: count }, signed)
const sybils = await Promise.all(lists.map(async batches => new Sybil(await join(), batches)))
process.stdout.write('ready\n')
createInterface({ input: process.stdin }).once('line', async () => {
  const endMs = performance.now() + seconds * 1000
  await Promise.all(sybils.map(sybil => sybil.flood(endMs)))
  process.stdout.write(`${JSON.stringify(done)}\n`)
})
