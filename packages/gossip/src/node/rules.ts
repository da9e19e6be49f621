/**
 * Asks the application's rules: authorize, admit, validate.
 *
 * A rule may answer at once or by a promise. One that throws or rejects refuses without blaming the peer, and is told
 * as a warning. Deadlines and late answers are the core's matter.
 */
import type { Verdict } from '../core/types.js'
import { GossipError } from '../errors.js'
import type { Message, Peer, TopicOptions } from '../types.js'
import { warningOf } from './context.js'
import type { Opened } from './delivery.js'
import { errorOf } from './guard.js'
import { keyId } from './key-text.js'

const VERDICTS: ReadonlySet<unknown> = new Set<Verdict>(['accept', 'ignore', 'reject'])

/** The rules of one topic. */
export class Rules<T> {
  readonly #options: TopicOptions<T>
  readonly #onwarning: (error: Error) => void
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: TopicOptions<T>, onwarning: (error: Error) => void) {
    this.#options = options
    this.#onwarning = onwarning
  }

  get asksAuthorize(): boolean {
    return this.#options.authorize !== undefined
  }

  get asksValidate(): boolean {
    return this.#options.validate !== undefined
  }

  get asksAdmit(): boolean {
    return this.#options.admit !== undefined
  }

  /** May this author speak? */
  async authorize(author: Uint8Array): Promise<Verdict> {
    return this.#ask('authorize', async () => (await this.#options.authorize?.(author)) === true)
  }

  /** May this peer have a link? */
  async admit(peer: Peer): Promise<Verdict> {
    return this.#ask('admit', async () => (await this.#options.admit?.(peer)) === true)
  }

  /** A verdict on each message; what can't be decoded is ignored. */
  validate(messages: readonly (Opened<T> | null)[]): Promise<Verdict[]> {
    return Promise.all(messages.map(opened => (opened === null ? 'ignore' : this.judge(opened.message))))
  }

  /** The verdict on one message; synchronous if the rule is. Never rejects. */
  judge(message: Message<T>): Verdict | Promise<Verdict> {
    const { validate } = this.#options
    if (validate === undefined) return 'accept'
    try {
      const verdict = validate.call(this.#options, message)
      if (typeof verdict === 'string') return this.#checked(verdict)
      return Promise.resolve(verdict).then(
        late => this.#checked(late),
        fault => this.#onthrow('validate', fault)
      )
    } catch (fault) {
      return this.#onthrow('validate', fault)
    }
  }

  /**
   * Judges a message of ours, before it has a seq. After the verdicts on all before, so that they keep their order.
   *
   * @throws {GossipError} `ERR_GOSSIP_REJECTED`.
   */
  async judgeOwn(data: T, about: Pick<Message<T>, 'topic' | 'author' | 'createdAt'>): Promise<void> {
    const id = keyId(about.author)
    const message: Message<T> = { ...about, id, incarnation: '', seq: -1, data, hops: 0, from: null }
    const turn = this.#turn.then(() => this.judge(message))
    this.#turn = turn
    const verdict = await turn
    if (verdict === 'accept') return
    throw new GossipError('ERR_GOSSIP_REJECTED', `validate() of topic ${about.topic} answered '${verdict}'`)
  }

  #checked(verdict: unknown): Verdict {
    if (VERDICTS.has(verdict)) return verdict as Verdict
    return this.#onthrow('validate', new Error("it answered neither 'accept' nor 'ignore' nor 'reject'"))
  }

  async #ask(rule: string, run: () => Promise<boolean>): Promise<Verdict> {
    try {
      return (await run()) ? 'accept' : 'ignore'
    } catch (fault) {
      return this.#onthrow(rule, fault)
    }
  }

  #onthrow(rule: string, fault: unknown): Verdict {
    const cause = errorOf(fault)
    this.#onwarning(warningOf('WARN_GOSSIP_RULE_THREW', `${rule}() threw: ${cause.message}`, { cause }))
    return 'ignore'
  }
}
