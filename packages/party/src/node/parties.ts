/**
 * Class Parties: many parties in one storage and on the same connections. Start reading here.
 *
 * `Registry` keeps the list on the disk, sealed. A party is opened on demand and is then an ordinary `Party`, with a set of
 * its own in the common Corestore. On a connection only those channels are opened that the peer may share: see
 * `SharedConnection`. A party that isn't open has no channel and isn't announced.
 */

import { type OpenStorage, openStorage } from '@hearsay/feeds'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { connectionOf } from '@hearsay/gossip/connection'
import { EventEmitter } from 'eventemitter3'
import { isInviteLink } from '../core/invite-link.js'
import { type Hashes, isGenesisOf, PartyKeys, partyKeyOf } from '../core/keys.js'
import type { RegistryEntry } from '../core/registry.js'
import { PartyError, typeError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Limits } from '../limits.js'
import type { DuplexLike, Key, PartyOptions, PartyPeer, PartySwarm } from '../types.js'
import { authorOf, founderOf } from './parties-authors.js'
import { type OpenParty, SharedConnection } from './parties-connection.js'
import { findEntry, ListedParty } from './parties-list.js'
import {
  type AddPartyOptions,
  type CreatePartyOptions,
  checkPartiesOptions,
  identityOf,
  NamedRules,
  namedPartyOf,
  type PartiesOptions
} from './parties-options.js'
import { PartiesSwarm } from './parties-swarm.js'
import { Party } from './party.js'
import { mergeLimits } from './party-options.js'
import { Registry } from './registry.js'
import type { SwarmLike } from './swarm.js'
import { decodeValue } from './values.js'
import { type WriteWholeFile, writeWholeFile } from './whole-file.js'

/** Events of a list of parties. */
export interface PartiesEvents {
  /** A party was opened: made, added, or opened again. Before any peer of it. */
  party: (party: Party) => void
  /** Trouble with a connection; the list goes on. */
  warning: (error: Error) => void
  /** All that is ours is closed. The last event. */
  close: () => void
}

/** What only tests pass: a disk with faults. */
export interface PartiesInternals {
  /** Writes the files of the list. */
  writeFile?: WriteWholeFile
}

/** What makes us a member where the key alone doesn't. Kept in the party's own log from its first opening on. */
type Admission = Pick<PartyOptions, 'credential' | 'invite'>

/**
 * See the head of this file.
 *
 * @example
 * const parties = new Parties({ storage: './parties', swarm, rules: { friends: rules.open() } })
 * const party = await parties.create({ name: 'walks', rules: 'friends' })
 */
export class Parties extends EventEmitter<PartiesEvents> {
  readonly #options: PartiesOptions
  readonly #limits: Limits
  readonly #rules: NamedRules
  readonly #hashes: Hashes = cryptoFor(createKeyPair(new Uint8Array(32)))
  readonly #write: WriteWholeFile
  /** One Noise key for all plain streams. */
  readonly #noiseKeyPair = createKeyPair()
  /** By party key in hex: parties that are open, or being opened. */
  readonly #opening = new Map<string, Promise<Party>>()
  readonly #open = new Set<OpenParty>()
  readonly #connections = new Map<object, SharedConnection>()
  readonly #byPeer = new WeakMap<PartyPeer, SharedConnection>()
  readonly #swarms = new Map<SwarmLike, PartiesSwarm>()
  #storage: OpenStorage | null = null
  #registry: Registry | null = null
  #starting: Promise<void> | null = null
  #closing: Promise<void> | null = null

  /**
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`, `ERR_PARTY_BAD_KEY`. Nothing is opened yet.
   */
  constructor(options: PartiesOptions, internal: PartiesInternals = {}) {
    super()
    checkPartiesOptions(options)
    this.#options = options
    this.#limits = mergeLimits(options.limits)
    this.#rules = new NamedRules(options.rules)
    this.#write = internal.writeFile ?? writeWholeFile
    if (options.swarm !== undefined) this.join(options.swarm)
    this.ready().catch(() => {}) // whoever calls anything hears of it
  }

  /** True from ready() until close(). */
  get opened(): boolean {
    return this.#registry !== null && this.#closing === null
  }

  /** True from the call of close() on. */
  get closed(): boolean {
    return this.#closing !== null
  }

  /**
   * Opens the storage and reads the list; opens no party. Every other call waits for it.
   *
   * @throws {PartyError} `ERR_PARTY_LOCKED`, `ERR_PARTY_SECRET`, `ERR_PARTY_STORAGE`, `ERR_PARTY_CLOSED`; {TypeError}
   * `ERR_PARTY_BAD_OPTION` for a secret that is none, `ERR_FEEDS_STORAGE` for a storage that is none.
   */
  ready(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closedError())
    this.#starting ??= this.#start()
    return this.#starting
  }

  /**
   * Makes a party, founded by its author here: nobody knows its key yet. Resolves when it is in the list on the disk, and open.
   *
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`; {PartyError} `ERR_PARTY_UNKNOWN_RULES`, `ERR_PARTY_EXISTS`: the
   * name is taken; `ERR_PARTY_NOT_ENCODABLE`, `ERR_PARTY_TOO_LARGE`, `ERR_PARTY_LIMIT`, `ERR_PARTY_STORAGE`.
   */
  async create(options: CreatePartyOptions = {}): Promise<Party> {
    const named = namedPartyOf(options, this.#limits)
    this.#rules.get(named.rules)
    const registry = await this.#list()
    const { keyPair } = this.#options
    const { author, genesis } = founderOf(this.#hashes, registry.master, keyPair)
    const key = partyKeyOf(this.#hashes, genesis)
    const entry: RegistryEntry = { key, author, authorKey: genesis.founderPublicKey, genesis, ...named }
    await registry.add(entry)
    return this.#openEntry(entry)
  }

  /**
   * Adds a party that others have made, by its key or an invite link. Resolves when it is in the list on the disk, and open. It
   * is in the list already: that one, and of `options` the credential alone is looked at, and only if it isn't open.
   *
   * @throws As create(); {TypeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_INVITE_INVALID`; {PartyError} `ERR_PARTY_NOT_AUTHORIZED`:
   * the genesis is another's.
   */
  async add(keyOrInvite: Key, options: AddPartyOptions = {}): Promise<Party> {
    const { key, genesis } = identityOf(keyOrInvite, options)
    const named = namedPartyOf(options, this.#limits)
    this.#rules.get(named.rules)
    if (genesis !== null && !isGenesisOf(this.#hashes, genesis, key)) {
      throw new PartyError('ERR_PARTY_NOT_AUTHORIZED', 'the genesis is that of another party')
    }
    const registry = await this.#list()
    const { credential } = options
    const admission: Admission = {
      ...(credential !== undefined && { credential }),
      ...(isInviteLink(keyOrInvite) && { invite: keyOrInvite })
    }
    const known = registry.get(key)
    if (known !== null) return this.#openEntry(known, admission)
    const author = this.#options.keyPair === undefined ? 'party-id' : 'app'
    const { publicKey } = authorOf({ key, author, genesis }, this.#authority(registry))
    const entry: RegistryEntry = { key, author, authorKey: publicKey, genesis, ...named }
    await registry.add(entry)
    return this.#openEntry(entry, admission)
  }

  /**
   * The party of this id, name, discovery key or party key, opened if it isn't; every spelling gives the same object until
   * that is closed.
   *
   * @throws {PartyError} `ERR_PARTY_UNKNOWN`, `ERR_PARTY_UNKNOWN_RULES`, and what `party.ready()` rejects with; {TypeError}
   * `ERR_PARTY_BAD_KEY`: its author is the app's, and `keyPair` is missing or another.
   */
  async open(which: Key): Promise<Party> {
    const registry = await this.#list()
    const entry = findEntry(registry.list(), which, this.#hashes)
    if (entry !== null) return this.#openEntry(entry)
    throw new PartyError(
      'ERR_PARTY_UNKNOWN',
      'there is no party of this id, name or discovery key in the list'
    )
  }

  /** All parties, oldest first, whether they are open or not. @throws {PartyError} `ERR_PARTY_NOT_READY` before ready(). */
  list(): ListedParty[] {
    if (this.#registry === null) throw new PartyError('ERR_PARTY_NOT_READY', 'the list is read by ready()')
    const open = new Set(Array.from(this.#open, ({ party }) => hexOf(party.key)))
    return this.#registry.list().map(entry => {
      return new ListedParty(entry, { hashes: this.#hashes, isOpen: open.has(hexOf(entry.key)) })
    })
  }

  /**
   * Closes a party and takes it out of the list: its key and notes are gone. Its feeds and facts stay in the storage; who adds
   * it again by its key finds them.
   *
   * @returns False: it wasn't in the list.
   * @throws {PartyError} `ERR_PARTY_STORAGE`.
   */
  async forget(which: Key): Promise<boolean> {
    const registry = await this.#list()
    const entry = findEntry(registry.list(), which, this.#hashes)
    if (entry === null) return false
    await registry.remove(entry.key)
    const party = await this.#opening.get(hexOf(entry.key))?.catch(() => null)
    await party?.close()
    return true
  }

  /**
   * Takes a connection for all parties that are open and will be. The stream stays the app's. Whoever initiated it opens the
   * channels of all: the peer learns how many there are, not which. On a swarm, `join(swarm)` tells less.
   *
   * @param stream - Noise stream, Protomux, or a plain Duplex with `initiator`. The same again: nothing happens.
   * @throws {TypeError} `ERR_GOSSIP_BAD_STREAM`; {PartyError} `ERR_PARTY_CLOSED`.
   */
  attach(stream: DuplexLike, options: { initiator?: boolean } = {}): void {
    this.#attach(stream, options).openAll()
  }

  /**
   * Meets members of all open parties by Hyperswarm: each is announced and looked up; a connection carries those that our
   * look-ups found at its other end, and those that the other end opens. The same swarm again: the same object.
   *
   * @throws {PartyError} `ERR_PARTY_CLOSED`.
   */
  join(swarm: SwarmLike): PartySwarm {
    if (this.#closing !== null) throw closedError()
    const known = this.#swarms.get(swarm)
    if (known !== undefined) return known
    const joined = new PartiesSwarm(swarm, this.#open, {
      attach: stream => this.#attach(stream, {}),
      warn: error => this.#warn(error),
      left: ({ swarm: left }) => this.#swarms.delete(left)
    })
    this.#swarms.set(swarm, joined)
    return joined
  }

  /** Closes all parties and the list; streams, swarm, Corestore and Gossip that were passed in stay. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** As close(). */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What may be shown and logged: no key. */
  toJSON(): object {
    const parties = this.#registry?.list().length ?? 0
    return { parties, open: this.#open.size, connections: this.#connections.size, closed: this.closed }
  }

  /** For `console.log`: as toJSON(). */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON()
  }

  async #start(): Promise<void> {
    try {
      this.#storage = await openStorage(this.#options.storage as string)
    } catch (cause) {
      const isLocked = (cause as { code?: unknown } | null)?.code === 'ERR_FEEDS_LOCKED'
      if (!isLocked) throw cause
      throw new PartyError('ERR_PARTY_LOCKED', (cause as Error).message, { cause })
    }
    try {
      this.#registry = await Registry.open(this.#storage.folder, {
        hashes: this.#hashes,
        secret: this.#options.secret,
        limits: this.#limits,
        write: this.#write
      })
    } catch (fault) {
      await this.#storage.close()
      throw fault
    }
  }

  async #list(): Promise<Registry> {
    await this.ready()
    return this.#registry as Registry
  }

  #authority(registry: Registry) {
    return { hashes: this.#hashes, master: registry.master, keyPair: this.#options.keyPair }
  }

  async #openEntry(entry: RegistryEntry, admission: Admission = {}): Promise<Party> {
    const id = hexOf(entry.key)
    const known = await this.#opening.get(id)
    if (known?.closed === false) return known
    // The app has closed it: its set lets go of the log at the end of that.
    await known?.close()
    const again = this.#opening.get(id)
    if (again !== undefined) return again
    if (this.#closing !== null) throw closedError()
    const opening = this.#openParty(entry, admission)
    this.#opening.set(id, opening)
    opening.catch(() => {
      if (this.#opening.get(id) === opening) this.#opening.delete(id)
    })
    return opening
  }

  async #openParty(entry: RegistryEntry, admission: Admission): Promise<Party> {
    const registry = this.#registry as Registry
    const { gossip, limits } = this.#options
    const { key, genesis } = entry
    const keyPair = authorOf(entry, this.#authority(registry))
    if (hexOf(keyPair.publicKey) !== hexOf(entry.authorKey)) {
      throw typeError(
        'ERR_PARTY_BAD_KEY',
        'the author of this party is another key pair of the app: pass that'
      )
    }
    const party = new Party(
      {
        ...{ key, keyPair, rules: this.#rules.get(entry.rules) },
        ...{ storage: (this.#storage as OpenStorage).corestore, metadata: decodeValue(entry.metadata) },
        ...(genesis !== null && { genesis }),
        ...(entry.name !== '' && { name: entry.name }),
        ...admission,
        ...(gossip !== undefined && { gossip }),
        ...(limits !== undefined && { limits })
      },
      {
        onanswer: (peer, isTaken) => this.#byPeer.get(peer)?.onAnswer(peer, isTaken),
        isGossipLate: true,
        keepGenesis: proven => registry.prove(key, proven)
      }
    )
    const open: OpenParty = { party, keys: new PartyKeys(this.#hashes, key) }
    party.once('close', () => this.#onPartyClose(open))
    try {
      await party.ready()
    } catch (fault) {
      await party.close()
      throw fault
    }
    if (this.#closing !== null) return party // close() waits for it, and closes it
    this.#open.add(open)
    for (const connection of this.#connections.values()) connection.add(open)
    for (const swarm of this.#swarms.values()) swarm.add(open)
    // Last, since a listener may throw; and before any peer, since these come in later ticks.
    this.emit('party', party)
    return party
  }

  #onPartyClose(open: OpenParty): void {
    this.#opening.delete(hexOf(open.party.key))
    this.#open.delete(open)
    for (const connection of this.#connections.values()) connection.remove(open)
    for (const swarm of this.#swarms.values()) swarm.remove(open).catch(error => this.#warn(error))
  }

  #attach(stream: DuplexLike, options: { initiator?: boolean }): SharedConnection {
    if (this.#closing !== null) throw closedError()
    const connection = connectionOf(stream, { keyPair: this.#noiseKeyPair, ...options })
    const known = this.#connections.get(connection)
    if (known !== undefined) return known
    const made = new SharedConnection(connection, this.#open, {
      limits: this.#limits,
      attached: (peer, on) => void this.#byPeer.set(peer, on),
      warn: error => this.#warn(error),
      ended: () => void this.#connections.delete(connection)
    })
    this.#connections.set(connection, made)
    return made
  }

  #warn(error: Error): void {
    queueMicrotask(() => this.emit('warning', error))
  }

  async #close(): Promise<void> {
    await this.#starting?.catch(() => {})
    for (const connection of [...this.#connections.values()]) connection.close()
    await Promise.allSettled([...this.#swarms.values()].map(swarm => swarm.leave()))
    const opening = await Promise.allSettled([...this.#opening.values()])
    await Promise.allSettled(
      opening.map(result => (result.status === 'fulfilled' ? result.value.close() : undefined))
    )
    await this.#registry?.close()
    await this.#storage?.close()
    this.emit('close')
  }
}

function closedError(): PartyError {
  return new PartyError('ERR_PARTY_CLOSED', 'the list of parties is closed')
}
