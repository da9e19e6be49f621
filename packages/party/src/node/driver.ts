/**
 * Drives the core: feeds it inputs, applies its effects in order, keeps its one timer. It decides nothing.
 *
 * The core may be told something while its effects are being applied (a set that emits synchronously, an app that calls
 * back): such inputs wait until the effects of the step before are through, so that their order is the core's.
 */
import type { AuthorizeExtra, FeedSet } from '@hearsay/feeds'
import type { PartyCore } from '../core/party-core.js'
import { decodeRecord } from '../core/records.js'
import type { CallResult, FeedTerms, PartyEffect, PartyInput } from '../core/types.js'
import { PartyError } from '../errors.js'
import type { Genesis } from '../types.js'
import { codeOf } from './ask-rules.js'
import { Jobs } from './jobs.js'
import type { Link } from './link.js'
import { decodeMeta } from './values.js'

/** Effects that concern the app, its rules, its peers and the gossip: the party's matter. */
export type PartyMatter = Exclude<
  PartyEffect,
  {
    type:
      | 'send'
      | 'closeChannel'
      | 'authorize'
      | 'unauthorize'
      | 'cut'
      | 'log'
      | 'deny'
      | 'grant'
      | 'wanted'
      | 'invited'
      | 'done'
      | 'settle'
      | 'wake'
      | 'drop'
  }
>

/** What a job of ours came to. */
export interface JobOutcome {
  isNew: boolean
}

/** What the driver needs. */
export interface DriverOptions {
  core: PartyCore
  feeds: FeedSet
  /** Unix ms that never decreases. */
  nowMs(): number
  onmatter(effect: PartyMatter): void
  onwarning(error: Error): void
  /** Bytes that the rules allow of each feed that they accept; undefined: they set no bound. */
  maxBytesPerFeed(): number | undefined
  /** Has a place for a genesis that is not the log; see SharedOptions. */
  keepGenesis: ((genesis: Genesis) => Promise<void>) | undefined
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** See the head of this file. */
export class Driver {
  readonly calls = new Jobs<CallResult>()
  readonly jobs = new Jobs<JobOutcome>()
  /** Open channels of the core, by number. */
  readonly links = new Map<number, Link>()
  /** Input of remotes that wasn't taken, by reason. */
  readonly drops: Record<string, number> = {}
  readonly #options: DriverOptions
  readonly #waiting: PartyInput[] = []
  #isStepping = false
  #isStopped = false
  #timer: NodeJS.Timeout | undefined
  #nextChannel = 1

  constructor(options: DriverOptions) {
    this.#options = options
  }

  /** Number for a channel that opens on this link. */
  addChannel(link: Link): number {
    const channel = this.#nextChannel++
    this.links.set(channel, link)
    link.channel = channel
    return channel
  }

  /** Tells the core something. */
  feed(input: PartyInput): void {
    if (this.#isStopped) return
    this.#waiting.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
        this.#step(next)
    } finally {
      this.#isStepping = false
    }
  }

  /** Nothing is told to the core any more; whatever waits is rejected. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    const closed = new PartyError('ERR_PARTY_CLOSED', 'the party is closed')
    this.calls.rejectAll(closed)
    this.jobs.rejectAll(closed)
  }

  #step(input: PartyInput): void {
    const { core, nowMs } = this.#options
    const effects = core.step(input, nowMs())
    const touched = new Set<Link>()
    for (const effect of effects) this.#apply(effect, touched)
    for (const link of touched) {
      link.connection.uncork()
      this.#checkFlow(link)
    }
  }

  // Read after the cork is off: under it everything seems to be drained.
  #checkFlow(link: Link): void {
    if (link.channel === 0 || link.isBlocked || link.connection.closed || link.connection.drained) return
    link.isBlocked = true
    this.#waiting.push({ type: 'blocked', channel: link.channel })
  }

  #apply(effect: PartyEffect, touched: Set<Link>): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect, touched)
        return
      case 'closeChannel': {
        const link = this.links.get(effect.channel)
        this.links.delete(effect.channel)
        // A peer that left may come again on this connection; one that we closed may not.
        link?.endChannel(effect.reason !== 'closed')
        return
      }
      case 'authorize':
        return void this.#authorize(effect)
      case 'unauthorize':
        return void this.#log(effect.job, this.#options.feeds.revoke(effect.key, { reason: 'expired' }))
      case 'cut':
        return void this.#log(effect.job, this.#cut(effect))
      case 'log':
        return void this.#log(effect.job, this.#append(effect.records))
      case 'deny':
        return void this.#deny(effect)
      case 'grant':
      case 'wanted':
      case 'invited':
        this.#session(effect)
        return
      case 'done':
        this.#done(effect)
        return
      case 'settle':
        this.calls.resolve(effect.call, effect.result)
        return
      case 'wake':
        this.#wake(effect.atMs)
        return
      case 'drop':
        this.drops[effect.reason] = (this.drops[effect.reason] ?? 0) + 1
        return
      default:
        this.#options.onmatter(effect)
    }
  }

  #send(effect: PartyEffect & { type: 'send' }, touched: Set<Link>): void {
    const link = this.links.get(effect.channel)
    if (link === undefined || link.connection.closed) return
    if (!touched.has(link)) {
      touched.add(link)
      link.connection.cork()
    }
    link.send(effect.kind, effect.bytes)
  }

  #session(effect: PartyEffect & { type: 'grant' | 'wanted' | 'invited' }): void {
    const link = this.links.get(effect.channel)
    if (link === undefined || link.session.closed) return
    const { type, key } = effect
    const { session } = link
    // In turn: a feed can be wanted only once its grant has reached the gate.
    link.turn = link.turn.then(async () => {
      if (session.closed) return
      if (type === 'wanted') session.wanted(key, effect.length)
      else if (type === 'invited') session.invited(key)
      // It may have been revoked meanwhile; then there is nothing to grant.
      else await session.grant(key).catch(() => {})
    })
  }

  async #authorize(effect: PartyEffect & { type: 'authorize' }): Promise<void> {
    const { job, keys, record, version, terms } = effect
    const meta = decodeMeta(effect.meta) ?? undefined
    // One call each, all in one tick: they share one synced entry of the log.
    const ofAdmin = version > 0 ? { version } : {}
    const written = keys.map((key, index) =>
      this.#authorizeOne(key, meta, {
        ...ofAdmin,
        ...termsOf(terms[index], this.#options.maxBytesPerFeed()),
        ...(index === 0 ? { record } : {})
      })
    )
    await this.#log(job, Promise.all(written))
  }

  async #authorizeOne(
    key: Uint8Array,
    meta: Record<string, unknown> | undefined,
    extra: AuthorizeExtra
  ): Promise<unknown> {
    const { feeds } = this.#options
    try {
      return await feeds.authorize(key, meta, extra)
    } catch (fault) {
      if (meta === undefined || codeOf(fault) !== 'ERR_FEEDS_BAD_META') throw fault
      // What a remote calls its feed may be nothing that we can keep; the feed is what counts.
      return feeds.authorize(key, undefined, extra)
    }
  }

  async #deny(effect: PartyEffect & { type: 'deny' }): Promise<void> {
    const { job, key, version, cutoff, purge, reason, record } = effect
    const from = cutoff === null ? {} : { cutoff }
    await this.#log(job, this.#options.feeds.revoke(key, { version, purge, reason, record, ...from }))
  }

  #cut(effect: PartyEffect & { type: 'cut' }): Promise<unknown> {
    const { key, version, length: until, maxBytes, record } = effect
    const extra = {
      version,
      ...termsOf({ maxBytes, until }, this.#options.maxBytesPerFeed()),
      ...(record === null ? {} : { record })
    }
    return this.#options.feeds.authorize(key, undefined, extra)
  }

  async #append(records: readonly Uint8Array[]): Promise<void> {
    const { feeds, keepGenesis } = this.#options
    if (keepGenesis === undefined) return feeds.records.append(records)
    const others: Uint8Array[] = []
    for (const bytes of records) {
      const record = decodeRecord(bytes)
      if (!record.ok || record.value.body.kind !== 'genesis') others.push(bytes)
      else await keepGenesis({ founderPublicKey: record.value.author, salt: record.value.body.salt })
    }
    if (others.length > 0) await feeds.records.append(others)
  }

  async #log(job: number, written: Promise<unknown>): Promise<void> {
    let code: string | null = null
    try {
      await written
    } catch (fault) {
      code = partyCode(codeOf(fault))
      if (!this.#isStopped) {
        const message = `a fact could not be written: ${code}`
        this.#options.onwarning(new PartyError(code, message, { cause: fault }))
      }
    }
    this.feed({ type: 'logged', job, code })
  }

  #done(effect: PartyEffect & { type: 'done' }): void {
    const { job, code } = effect
    if (code === null) this.jobs.resolve(job, { isNew: effect.isNew ?? false })
    else this.jobs.reject(job, new PartyError(code, messageOfCode(code)))
  }

  #wake(atMs: number): void {
    clearTimeout(this.#timer)
    if (atMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.min(Math.max(atMs - this.#options.nowMs(), 0), LONGEST_TIMER_MS)
    this.#timer = setTimeout(() => this.#onTimer(), Math.ceil(delayMs))
    // A party alone keeps no process up: its streams do.
    this.#timer.unref()
  }

  #onTimer(): void {
    this.#timer = undefined
    this.feed({ type: 'tick' })
  }
}

// The set takes the lower of this and its own bound.
function termsOf(
  terms: FeedTerms | undefined,
  ofRules: number | undefined
): Pick<AuthorizeExtra, 'maxBytes' | 'until'> {
  const { maxBytes = 0, until = null } = terms ?? {}
  const bounds = [maxBytes, ofRules ?? 0].filter(bytes => bytes > 0)
  return {
    ...(bounds.length === 0 ? {} : { maxBytes: Math.min(...bounds) }),
    ...(until === null ? {} : { until })
  }
}

function partyCode(code: string | null): string {
  switch (code) {
    case 'ERR_FEEDS_NOT_AUTHORIZED':
      return 'ERR_PARTY_REVOKED'
    case 'ERR_FEEDS_SET_FULL':
      return 'ERR_PARTY_LIMIT'
    case 'ERR_FEEDS_CLOSED':
      return 'ERR_PARTY_CLOSED'
    default:
      return 'ERR_PARTY_STORAGE'
  }
}

function messageOfCode(code: string): string {
  switch (code) {
    case 'ERR_PARTY_EXPIRED':
      return 'the introduction was dropped or decided before'
    case 'ERR_PARTY_REVOKED':
      return 'the feed is revoked'
    case 'ERR_PARTY_LIMIT':
      return 'the set takes no more feeds'
    case 'ERR_PARTY_CLOSED':
      return 'it is closed'
    case 'ERR_PARTY_NOT_AUTHORIZED':
      return 'this author may not sign that'
    default:
      return 'the fact could not be written'
  }
}
