/**
 * Who is there? A topic says it: everybody tells its name now and then, and who isn't heard for a while is gone.
 *
 *   node presence.js      four in a line and one alone, in this process; prints what they see, and ends
 */
import { duplexPair } from 'node:stream'
import { Gossip, type Topic } from '@hearsay/gossip'

const EVERY_MS = 200
/** Three words missed. */
const GONE_MS = 3 * EVERY_MS + 100

/** Tells a topic that we are there, and remembers whom it heard. */
class Presence {
  readonly #seen = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  onchange: () => void = () => {}

  constructor(topic: Topic<string>, name: string) {
    const tell = (): void => {
      topic.publish(name, { ttlMs: 1000 }).catch(() => {}) // it was left meanwhile
    }
    topic.on('message', other => {
      this.#seen.set(other, performance.now())
      this.onchange()
    })
    this.#timer = setInterval(() => {
      tell()
      this.onchange()
    }, EVERY_MS)
    tell()
    this.#seen.set(name, Number.POSITIVE_INFINITY)
  }

  /** Names of all that are there now, our own among them. */
  get names(): string[] {
    const nowMs = performance.now()
    return [...this.#seen]
      .filter(([, atMs]) => nowMs - atMs < GONE_MS)
      .flatMap(([name]) => name)
      .sort()
  }

  /** Resolves when exactly these are there. */
  sees(...names: string[]): Promise<void> {
    return new Promise(resolve => {
      this.onchange = () => {
        if (this.names.join() === names.join()) resolve()
      }
      this.onchange()
    })
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

const people = ['ann', 'ben', 'cat', 'dan', 'eve'].map(name => {
  const gossip = new Gossip()
  return { name, gossip, presence: new Presence(gossip.join<string>('presence'), name) }
})
const [ann, ben, cat, dan, eve] = people as [Person, Person, Person, Person, Person]
type Person = (typeof people)[number]

function connect(a: Person, b: Person): void {
  const [left, right] = duplexPair()
  a.gossip.attach(left, { initiator: true })
  b.gossip.attach(right, { initiator: false })
}

// A line of four; eve knows nobody.
connect(ann, ben)
connect(ben, cat)
connect(cat, dan)

async function leave({ gossip, presence }: Person): Promise<void> {
  presence.stop()
  await gossip.close()
}

await dan.presence.sees('ann', 'ben', 'cat', 'dan')
console.log(`dan sees ${dan.presence.names.join(', ')}`)
console.log(`eve sees ${eve.presence.names.join(', ')}`)
await leave(ann)
await dan.presence.sees('ben', 'cat', 'dan')
console.log(`dan sees ${dan.presence.names.join(', ')}`)
await Promise.all([ben, cat, dan, eve].map(leave))
