/** A victim in a process of its own, two honest friends that reach each other only through it, and ways to attack it. */
import { connect as dial, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Gossip, type GossipStats, type Topic } from '@hearsay/gossip'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import { TOPIC, TOPIC_KEY } from '../../support/attack.js'
import { type Child, startNode } from '../../support/child.js'
import { RawPeer } from '../../support/raw-peer.js'
import { until } from '../../support/until.js'

/** What the victim tells of itself, since it was asked last. */
export interface Status {
  readonly rss: number
  readonly maxRss: number
  readonly heapUsed: number
  readonly cpuMs: number
  readonly elapsedMs: number
  /** Delays of its event loop. */
  readonly delayMs: { readonly p99: number; readonly max: number }
  /** Bytes queued per peer. */
  readonly queued: readonly number[]
  readonly peers: number
  readonly links: number
  readonly stats: GossipStats
}

/** See the head of this file. */
export interface Victim {
  readonly child: Child
  readonly port: number
  /** Asks for a status; `command` comes first. */
  status(command?: string): Promise<Status>
  socket(): Socket
  /** A raw peer; with a link if `isMember`. */
  peer(isMember?: boolean): Promise<RawPeer>
  /** A friend asks and is answered. */
  answers(): Promise<void>
  /** What the first friend heard. */
  readonly heard: unknown[]
  /** The victim runs, silently, answers, and all that the friends said to each other through it arrived, once. */
  lives(t: ExecutionContext): Promise<void>
  /** How long the words of one friend took to the other, in ms, sorted; from now on others count. */
  takeDelays(): number[]
}

/** A megabyte. */
export const MB = 1024 * 1024

const EVERY_MS = 10
/** A victim under a flood, on a machine that does other things as well. */
const SLOW_MS = 40_000

interface Said {
  readonly say: number
  readonly by: number
}

class Friends {
  readonly gossips = [new Gossip(), new Gossip()] as const
  readonly topics: readonly Topic[]
  readonly heard: unknown[] = []
  readonly #sentMs = new Map<number, number>()
  readonly #arrived = new Map<number, number>()
  #delays: number[] = []
  #said = 0
  #isTalking = true

  constructor(t: ExecutionContext) {
    this.topics = this.gossips.map(gossip => gossip.join(TOPIC))
    for (const [i, topic] of this.topics.entries()) {
      topic.on('message', data => this.#hear(i, data))
      t.teardown(() => this.gossips[i as 0 | 1].close())
    }
    const timer = setInterval(() => {
      if (this.#isTalking) this.say()
    }, EVERY_MS)
    t.teardown(() => clearInterval(timer))
  }

  say(): void {
    const said: Said = { say: this.#said, by: this.#said % 2 }
    this.#said++
    this.#sentMs.set(said.say, performance.now())
    this.topics[said.by]?.publish(said).catch(() => {})
  }

  takeDelays(): number[] {
    const delays = this.#delays.sort((a, b) => a - b)
    this.#delays = []
    return delays
  }

  async allArrived(t: ExecutionContext): Promise<void> {
    this.#isTalking = false
    await until(() => this.#arrived.size === this.#said, {
      what: 'all that friends said to each other',
      ms: SLOW_MS
    })
    t.deepEqual(
      [...this.#arrived.values()].filter(times => times > 1),
      [],
      'heard twice'
    )
    this.#isTalking = true
  }

  #hear(friend: number, data: unknown): void {
    if (friend === 0) this.heard.push(data)
    const { say, by } = data as Partial<Said>
    if (say === undefined || by === friend) return
    this.#arrived.set(say, (this.#arrived.get(say) ?? 0) + 1)
    this.#delays.push(performance.now() - (this.#sentMs.get(say) ?? 0))
  }
}

/** Starts a victim and connects its friends. All ends with the test. */
export async function startVictim(t: ExecutionContext, ...args: string[]): Promise<Victim> {
  const file = fileURLToPath(new URL('./victim-process.js', import.meta.url))
  const child = startNode(t, [file, ...args], { env: { NODE_OPTIONS: '--expose-gc' } })
  const { port } = JSON.parse(await child.line(/port/)) as { port: number }
  const socket = (): Socket => {
    const made = dial(port, '127.0.0.1')
    made.on('error', () => {})
    t.teardown(() => made.destroy())
    return made
  }
  const friends = new Friends(t)
  for (const gossip of friends.gossips) gossip.attach(socket(), { initiator: true })
  await until(() => friends.topics.every(topic => topic.peers().length === 1), { what: 'friends' })
  let asked = 0
  const answers = async (): Promise<void> => {
    const ask = ++asked
    await friends.topics[0]?.publish({ ask }, { waitForPeers: 1 })
    await until(() => friends.heard.some(data => (data as { answer?: number }).answer === ask), {
      what: 'an answer of the victim',
      ms: SLOW_MS
    })
  }
  await answers()
  return {
    child,
    port,
    socket,
    answers,
    heard: friends.heard,
    takeDelays: () => friends.takeDelays(),
    async status(command = '') {
      const { length } = child.lines
      child.write(command)
      await until(() => child.lines.length > length, { what: 'a status of the victim', ms: SLOW_MS })
      return JSON.parse(child.lines.at(-1) as string) as Status
    },
    async peer(isMember = true) {
      const stream = new NoiseSecretStream(true, socket())
      stream.on('error', () => {})
      const peer = new RawPeer(stream, TOPIC_KEY)
      await stream.opened
      if (isMember) await peer.link()
      return peer
    },
    async lives(t) {
      await answers()
      await friends.allArrived(t)
      t.is(child.process.exitCode, null)
      t.deepEqual(child.errors, [])
    }
  }
}
