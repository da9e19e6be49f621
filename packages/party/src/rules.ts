/**
 * Ready-made rules, and how several are joined.
 *
 * Rules are plain objects: an app may spread one and replace a method. A rule of introductions answers yes, no, a list of
 * keys, or nothing (undecided: the app decides by accept() or reject()).
 */
import { PartyError, typeError } from './errors.js'
import { hexOf, keyBytes, parseKey } from './key.js'
import { LIMITS } from './limits.js'
import type { Capability, IntroduceVerdict, InviteOptions, Key, OpenOptions, PartyRules } from './types.js'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

const BUNDLE_TYPES: ReadonlySet<string> = new Set([
  'hypercore',
  'hyperbee',
  'hyperblobs',
  'hyperdrive',
  'autobase'
])
const CAPABILITIES: ReadonlySet<Capability> = new Set(['read', 'write', 'introduce', 'invite', 'admin'])
/** Verdict on one key while several rules are asked. */
type KeyVerdict = 'accept' | 'reject' | 'undecided'

/**
 * Accepts what names its author by its key, and bundles of known types; everything else is refused.
 *
 * Counts what it accepted, so make one for each party. Above a bound the introduction is rejected `ERR_PARTY_LIMIT`.
 *
 * @throws {RangeError} `ERR_PARTY_BAD_OPTION` for a bound that isn't a positive integer.
 */
function open(options: OpenOptions = {}): PartyRules {
  const maxFeeds = bound('maxFeeds', options.maxFeeds ?? LIMITS.maxFeeds)
  const maxPerAuthor = bound('maxPerAuthor', options.maxPerAuthor ?? LIMITS.maxFeedsPerAuthor)
  const { maxBytesPerFeed } = options
  if (maxBytesPerFeed !== undefined) bound('maxBytesPerFeed', maxBytesPerFeed)
  const all = new Set<string>()
  const perAuthor = new Map<string, Set<string>>()
  return {
    name: 'open',
    ...(maxBytesPerFeed === undefined ? {} : { maxBytesPerFeed }),
    onIntroduceFeeds({ message }) {
      if (!message.own && !message.authorized && !BUNDLE_TYPES.has(message.type)) return false
      const authorId = hexOf(message.author)
      const ofAuthor = perAuthor.get(authorId) ?? new Set<string>()
      const news = message.keys.map(hexOf).filter(id => !all.has(id))
      const total = all.size + news.length
      if (total > maxFeeds) throw limit('maxFeeds', total, maxFeeds)
      if (ofAuthor.size + news.length > maxPerAuthor) {
        throw limit('maxPerAuthor', ofAuthor.size + news.length, maxPerAuthor)
      }
      for (const id of news) {
        all.add(id)
        ofAuthor.add(id)
      }
      perAuthor.set(authorId, ofAuthor)
      return true
    }
  }
}

/**
 * Accepts feeds whose key is listed, and all that a listed author introduces; everything else is refused.
 *
 * @param keysOrAuthors - Feed keys and author keys, mixed.
 * @throws {TypeError} `ERR_PARTY_BAD_KEY`.
 */
function allow(keysOrAuthors: Iterable<Key>): PartyRules {
  if (typeof keysOrAuthors === 'string' || keysOrAuthors instanceof Uint8Array) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'allow() takes a list of keys')
  }
  const listed = new Set(Array.from(keysOrAuthors, key => hexOf(keyBytes(key))))
  return {
    name: 'allow',
    onIntroduceFeeds({ message }) {
      if (listed.has(hexOf(message.author))) return true
      const keys = message.keys.filter(key => listed.has(hexOf(key)))
      return keys.length === 0 ? false : keys
    }
  }
}

/** Decides nothing: every introduction stays pending until the app calls accept() or reject(). The default. */
function manual(): PartyRules {
  return { name: 'manual' }
}

/**
 * Takes members by admission: a signed chain that begins at the party's founder, of which nothing expired or was removed.
 *
 * A peer without such a chain is refused; one that holds an invite is waited for until it has redeemed it. What a member
 * introduces is accepted as far as its capabilities go: 'write' its own feeds, 'introduce' those of others; an admin's
 * authorization is. What comes from authors whose chain isn't known yet stays undecided, and is judged again when they are
 * admitted. Join it with `open` for bounds.
 *
 * @throws {TypeError} `ERR_PARTY_BAD_OPTION` for a capability that isn't one.
 */
function invite(options: InviteOptions = {}): PartyRules {
  const needed = options.require ?? ['read']
  for (const name of needed) {
    if (!CAPABILITIES.has(name)) throw typeError('ERR_PARTY_BAD_OPTION', `there is no capability ${name}`)
  }
  return {
    name: 'invite',
    async handshake({ peer, party }) {
      const allowed = await party.admission(peer)
      if (needed.every(name => allowed.includes(name))) return
      throw new PartyError('ERR_PARTY_NOT_AUTHORIZED', 'the peer is not admitted')
    },
    onIntroduceFeeds({ message, party }) {
      const allowed = party.capabilitiesOf(message.author)
      if (message.authorized) return true // whose word counts is decided before
      if (allowed.length === 0) return undefined
      if (allowed.includes(message.own ? 'write' : 'introduce')) return true
      throw new PartyError('ERR_PARTY_NOT_AUTHORIZED', 'its capabilities do not allow this introduction')
    }
  }
}

/**
 * Joins rules. A peer needs the consent of all. A key is accepted if one rule accepts it and none rejects it. The first
 * rule that finds a feed or answers a request is the one that counts. `admin` needs one yes, `share` needs all. The
 * lowest `maxBytesPerFeed` counts.
 */
function all(...list: readonly PartyRules[]): PartyRules {
  const has = (method: keyof PartyRules): boolean => list.some(rule => typeof rule[method] === 'function')
  const joined: Writable<PartyRules> = {
    name: `all(${list.map(rule => rule.name ?? 'unnamed').join(', ')})`,
    ready: event => inTurn(list, rule => rule.ready?.(event)),
    handshake: event => inTurn(list, rule => rule.handshake?.(event)),
    admin: query => list.some(rule => rule.admin?.(query) === true),
    findFeed: query => firstAnswer(list, rule => rule.findFeed?.(query)),
    async onIntroduceFeeds(event) {
      const verdicts = new Map<string, KeyVerdict>(event.message.keys.map(key => [hexOf(key), 'undecided']))
      for (const rule of list) {
        mergeVerdict(verdicts, await rule.onIntroduceFeeds?.(event))
        if (Array.from(verdicts.values()).every(verdict => verdict === 'reject')) return false
      }
      const decided = Array.from(verdicts.values())
      if (decided.every(verdict => verdict === 'undecided')) return undefined
      return event.message.keys.filter(key => verdicts.get(hexOf(key)) === 'accept')
    },
    async onEphemeralMessage(event) {
      for (const rule of list) await rule.onEphemeralMessage?.(event)
    }
  }
  const bounds = list.flatMap(({ maxBytesPerFeed }) =>
    maxBytesPerFeed === undefined ? [] : [maxBytesPerFeed]
  )
  if (bounds.length > 0) joined.maxBytesPerFeed = Math.min(...bounds)
  // That these two are there says something by itself: feeds may be hidden, requests are handled.
  if (has('share')) joined.share = query => list.every(rule => rule.share?.(query) ?? true)
  if (has('onRequest')) joined.onRequest = event => firstAnswer(list, rule => rule.onRequest?.(event))
  return joined
}

/** Ready-made rules. Without any a party uses `rules.manual()`. */
export const rules = Object.freeze({ open, allow, manual, all, invite })

function mergeVerdict(verdicts: Map<string, KeyVerdict>, verdict: IntroduceVerdict): void {
  if (verdict === undefined || verdict === null) return
  const listed = typeof verdict === 'boolean' ? null : new Set(verdict.map(key => idOf(key)))
  for (const [id, known] of verdicts) {
    const isAccepted = listed === null ? verdict === true : listed.has(id)
    if (known !== 'reject') verdicts.set(id, isAccepted ? 'accept' : 'reject')
  }
}

async function inTurn(
  list: readonly PartyRules[],
  ask: (rule: PartyRules) => unknown
): Promise<boolean | undefined> {
  for (const rule of list) {
    if ((await ask(rule)) === false) return false
  }
  return undefined
}

async function firstAnswer<T>(
  list: readonly PartyRules[],
  ask: (rule: PartyRules) => T | Promise<T>
): Promise<T | null> {
  for (const rule of list) {
    const answer = await ask(rule)
    if (answer) return answer
  }
  return null
}

function idOf(key: Key): string {
  const bytes = parseKey(key)
  return bytes === null ? '' : hexOf(bytes)
}

function bound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw Object.assign(new RangeError(`${name} must be a positive integer, got ${value}`), {
    code: 'ERR_PARTY_BAD_OPTION'
  })
}

function limit(name: string, value: number, most: number): PartyError {
  return new PartyError('ERR_PARTY_LIMIT', `${value} feeds would be authorized, limit is ${most} (${name})`)
}
