/**
 * What a member of the demo does in its party, and what it counts.
 *
 * The lines of member `i` are the messages 0, 1, 2, … of its author on the topic, and the blocks 0, 1, 2, … of its
 * feed. So everything that comes can be held against the text, and nothing can be missing, double or in the wrong place
 * unseen.
 */
import type { Message } from '@hearsay/gossip'
import type { Party } from '@hearsay/party'
import type { Identity, Result } from './messages.js'

/** Lines appended and published at once. */
const STRIDE = 64

type Feed = Awaited<ReturnType<Party['feeds']['writer']>>

/** One member at work. */
export class Member {
  readonly #party: Party
  readonly #shares: readonly string[][]
  readonly #index: number
  readonly #heard = new Map<string, Set<number>>()
  readonly #early: Message<string>[] = []
  readonly #refused = new Set<string>()
  #authors = new Map<string, number>()
  #delivered = 0
  #wrong = 0
  #lines: Feed | null = null
  #draft: Feed | null = null
  #changed = () => {}

  /**
   * @param party - Not yet joined to a network.
   * @param shares - Lines of every member.
   * @param index - Which of them are ours.
   */
  constructor(party: Party, shares: readonly string[][], index: number) {
    this.#party = party
    this.#shares = shares
    this.#index = index
    party.on('reject', ({ key }) => {
      this.#refused.add(hex(key))
      this.#changed()
    })
    for (const event of ['peer-add', 'feed'] as const) party.on(event, () => this.#changed())
  }

  /** Makes the two feeds, and begins to listen. */
  async open(): Promise<Identity> {
    await this.#party.ready()
    this.#lines = await this.#party.feeds.writer('lines')
    this.#draft = await this.#party.feeds.writer('draft')
    await this.#draft.append(bytes('not for you'))
    this.#topic().on('message', (_, message) => this.#onMessage(message))
    return {
      index: this.#index,
      author: hex(this.#party.gossip.publicKey),
      linesKey: hex(this.#lines.key),
      draftKey: hex(this.#draft.key)
    }
  }

  /** Waits until so many members are there. */
  connected(count: number, signal: AbortSignal): Promise<void> {
    return this.#until(() => this.#party.peers.size >= count, signal)
  }

  /** Publishes, appends, introduces, waits for all that the others do, and compares. */
  async work(members: readonly Identity[], timeoutMs: number): Promise<Result> {
    const signal = AbortSignal.timeout(timeoutMs)
    const others = members.filter(({ index }) => index !== this.#index)
    this.#authors = new Map(others.map(({ author, index }) => [author, index]))
    for (const message of this.#early.splice(0)) this.#onMessage(message)
    const expected = others.reduce((sum, { index }) => sum + this.#shareOf(index).length, 0)
    const faults: string[] = []
    const attempt = async (what: string, job: () => Promise<void>) => {
      await job().catch((error: Error) => faults.push(`${what}: ${error.message}`))
    }

    await attempt('introducing', () => this.#introduce())
    await attempt('writing', () => this.#write())
    await attempt('messages', () => this.#until(() => this.#delivered === expected, signal))
    const drafts = others.map(({ draftKey }) => draftKey)
    await attempt('refusing', () => this.#until(() => drafts.every(key => this.#refused.has(key)), signal))
    await attempt('accepting', () =>
      this.#until(() => others.every(({ linesKey }) => this.#has(linesKey)), signal)
    )
    await attempt('replicating', async () => {
      await this.#party.synced({ signal })
    })
    const compared = { blocks: 0, bytes: 0 }
    await attempt('comparing', () => this.#compare(others, compared, signal))

    if (this.#wrong > 0) faults.push(`${this.#wrong} messages wrong or double`)
    if (drafts.some(key => this.#has(key))) faults.push('a refused feed is in the set')
    return {
      index: this.#index,
      pid: process.pid,
      written: this.#lines?.length ?? 0,
      delivered: this.#delivered,
      expected,
      wrong: this.#wrong,
      introduced: 2,
      accepted: others.filter(({ linesKey }) => this.#has(linesKey)).length,
      refused: this.#refused.size,
      ...compared,
      faults
    }
  }

  #topic() {
    return this.#party.topic<string>('lines', { valueEncoding: 'utf-8', durable: false })
  }

  #shareOf(index: number): readonly string[] {
    return this.#shares[index] ?? []
  }

  #has(key: string): boolean {
    return this.#party.feeds.has(key)
  }

  async #introduce(): Promise<void> {
    await this.#party.introduce(this.#lines as Feed, { kind: 'lines', name: `m${this.#index}` })
    await this.#party.introduce(this.#draft as Feed, { kind: 'draft', name: `m${this.#index}` })
  }

  async #write(): Promise<void> {
    const topic = this.#topic()
    const share = this.#shareOf(this.#index)
    for (let start = 0; start < share.length; start += STRIDE) {
      const lines = share.slice(start, start + STRIDE)
      const published = lines.map(line => topic.publish(line))
      await this.#lines?.append(lines.map(bytes))
      await Promise.all(published)
    }
  }

  #onMessage(message: Message<string>): void {
    const author = hex(message.author)
    const index = this.#authors.get(author)
    if (index === undefined) {
      // Before `go` nobody publishes, but another member may be told so earlier than we are.
      if (this.#authors.size === 0) this.#early.push(message)
      else this.#wrong++
      return
    }
    const seqs = this.#heard.get(author) ?? new Set()
    this.#heard.set(author, seqs)
    if (seqs.has(message.seq) || this.#shareOf(index)[message.seq] !== message.data) this.#wrong++
    else this.#delivered++
    seqs.add(message.seq)
    this.#changed()
  }

  async #compare(
    others: readonly Identity[],
    compared: { blocks: number; bytes: number },
    signal: AbortSignal
  ): Promise<void> {
    for (const { index, linesKey } of others) {
      const feed = this.#party.feeds.get(linesKey)
      if (feed === null) throw new Error(`the feed of m${index} is missing`)
      for (const [seq, line] of this.#shareOf(index).entries()) {
        signal.throwIfAborted()
        const block = (await feed.get(seq, { timeout: 10_000 })) as Uint8Array
        if (!bytes(line).equals(block)) throw new Error(`block ${seq} of m${index} differs from the text`)
        compared.blocks++
        compared.bytes += block.byteLength
      }
    }
  }

  /** Waits for a condition, which is looked at whenever something has changed. */
  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => reject(signal.reason)
        if (signal.aborted) return onAbort()
        signal.addEventListener('abort', onAbort, { once: true })
        this.#changed = () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
      })
    }
  }
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')
const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')
