/**
 * What an app passes to `new Parties()`, checked, and the rules by their names.
 */
import b4a from 'b4a'
import { isInviteLink } from '../core/invite-link.js'
import { PartyError, rangeError, typeError } from '../errors.js'
import { parseKey } from '../key.js'
import { LIMITS, type Limits } from '../limits.js'
import { rules as readyMade } from '../rules.js'
import type { Genesis, GossipLike, Key, KeyPair, PartyRules } from '../types.js'
import { checkRules } from './ask-rules.js'
import { checkOptions, type PartyIdentity } from './party-options.js'
import type { Secret } from './registry-files.js'
import type { SwarmLike } from './swarm.js'
import { encodeValue } from './values.js'

/** Options of a list of parties. */
export interface PartiesOptions {
  /** A folder, or a Corestore (never closed by us). All parties' feeds, facts and the list lie in it. */
  storage: string | object
  /** A Hyperswarm on which every open party is announced and looked up; never destroyed by us. As `join(swarm)`. */
  swarm?: SwarmLike
  /** One Gossip for the topics of all parties; it stays the app's. Default: one for each, with the party's author. */
  gossip?: GossipLike
  /**
   * Rules by the names that parties have for them, 'default' for those that name none; or rules for all of these. 'open',
   * 'manual' and 'invite' are known if they aren't among them. Default of the default: `rules.manual()`.
   */
  rules?: PartyRules | Readonly<Record<string, PartyRules>>
  /** Author of all parties that are made or added from now on; never stored. Default: one for each party, unlinkable. */
  keyPair?: KeyPair
  /** 32 bytes that seal the master key, or a function that gives them; with it no secret lies on the disk in clear. */
  secret?: Secret
  /** Overrides single bounds of `LIMITS`, here and in every party. Those of the list can only be lowered. */
  limits?: Partial<Limits>
}

/** Options of a new party in the list. */
export interface CreatePartyOptions {
  /** Local name, at most 64 bytes of UTF-8, not spelt like a key; no two parties have the same. Never sent. */
  name?: string
  /** Local notes: what msgpack carries, at most 4 KiB encoded. They come back deep-equal, also after a restart. */
  metadata?: unknown
  /** Name of its rules; default 'default'. */
  rules?: string
}

/** Options of a party that is added by its key. */
export interface AddPartyOptions extends CreatePartyOptions {
  /** Proves who founded it. */
  genesis?: Genesis
  /** A chain of admissions, as `party.admit()` gives it. */
  credential?: Uint8Array
}

/** What `create()` and `add()` put into the list. */
export interface NamedParty {
  readonly name: string
  readonly rules: string
  readonly metadata: Uint8Array
}

const LIST_LIMITS = ['maxParties', 'maxPartyNameBytes', 'maxPartyMetadataBytes'] as const
/** Stands for the key in checks of the options that all parties get. */
const SOME_KEY = new Uint8Array(32)
/** Stands for the storage where it isn't looked at. */
const NO_STORAGE = '.'

/** Are these options of a list? @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`, `ERR_PARTY_BAD_KEY`. */
export function checkPartiesOptions(options: PartiesOptions): void {
  const { storage } = options ?? {}
  const isStorage =
    typeof storage === 'string' ? storage !== '' : typeof storage === 'object' && storage !== null
  if (!isStorage) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'parties need { storage }, a folder or a Corestore')
  }
  checkOptions({ key: SOME_KEY, storage, ...(options.keyPair && { keyPair: options.keyPair }) })
  for (const name of LIST_LIMITS) {
    const value = options.limits?.[name] ?? 0
    if (value > LIMITS[name]) {
      throw rangeError('ERR_PARTY_BAD_OPTION', `${name} is ${value}, limit is ${LIMITS[name]}`)
    }
  }
}

/** The rules of a list, by their names. */
export class NamedRules {
  readonly #byName = new Map<string, PartyRules>()

  /** @throws {TypeError} `ERR_PARTY_BAD_OPTION` */
  constructor(rules: PartiesOptions['rules'] = {}) {
    this.#byName.set('open', readyMade.open()).set('invite', readyMade.invite())
    this.#byName.set('manual', readyMade.manual()).set('default', readyMade.manual())
    if (typeof rules !== 'object' || rules === null) checkRules(rules)
    for (const [name, value] of isRules(rules) ? [['default', rules] as const] : Object.entries(rules)) {
      checkRules(value)
      this.#byName.set(name, value)
    }
  }

  /** @param name - Empty: the default. @throws {PartyError} `ERR_PARTY_UNKNOWN_RULES`. */
  get(name: string): PartyRules {
    const rules = this.#byName.get(name === '' ? 'default' : name)
    if (rules !== undefined) return rules
    const known = [...this.#byName.keys()].join(', ')
    throw new PartyError('ERR_PARTY_UNKNOWN_RULES', `there are no rules of the name ${name}, but ${known}`)
  }
}

/**
 * What goes into the list.
 *
 * @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`; {PartyError} `ERR_PARTY_NOT_ENCODABLE`, `ERR_PARTY_TOO_LARGE`.
 */
export function namedPartyOf(options: CreatePartyOptions, limits: Limits): NamedParty {
  const { name, rules, metadata } = options
  checkText('name', name, limits)
  checkText('rules', rules, limits)
  if (name !== undefined && parseKey(name) !== null) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'the name of a party must not be spelt like a key')
  }
  return {
    name: name ?? '',
    rules: rules === 'default' ? '' : (rules ?? ''),
    metadata: encodeValue(metadata, limits.maxPartyMetadataBytes, 'maxPartyMetadataBytes')
  }
}

/**
 * Which party a key or an invite link means.
 *
 * @throws {TypeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_INVITE_INVALID`.
 */
export function identityOf(which: Key, options: AddPartyOptions): Pick<PartyIdentity, 'key' | 'genesis'> {
  const { genesis } = options
  if (isInviteLink(which)) return checkOptions({ invite: which, storage: NO_STORAGE })
  return checkOptions({ key: which, storage: NO_STORAGE, ...(genesis !== undefined && { genesis }) })
}

function checkText(what: string, text: unknown, { maxPartyNameBytes }: Limits): void {
  if (text === undefined) return
  if (typeof text !== 'string' || text === '') {
    const hint = what === 'rules' ? ': the rules themselves are passed to Parties, by their names' : ''
    throw typeError('ERR_PARTY_BAD_OPTION', `${what} of a party is a string that is not empty${hint}`)
  }
  const encoded = b4a.from(text)
  if (b4a.toString(encoded) !== text) {
    throw typeError('ERR_PARTY_BAD_OPTION', `${what} of a party must be well-formed text`)
  }
  const bytes = encoded.length
  if (bytes <= maxPartyNameBytes) return
  throw rangeError(
    'ERR_PARTY_BAD_OPTION',
    `${what} is ${bytes} bytes, limit is ${maxPartyNameBytes} (maxPartyNameBytes)`
  )
}

/** Rules hold methods and a name; a map of rules holds objects. */
function isRules(value: PartyRules | Readonly<Record<string, PartyRules>>): value is PartyRules {
  return Object.values(value).some(member => typeof member !== 'object')
}
