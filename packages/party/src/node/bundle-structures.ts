/**
 * The structures of the ecosystem, recognised by what they have: which feeds make one, and when that changes.
 *
 * They are the application's dependencies, of whichever copy and version; this package names none of them.
 */
import b4a from 'b4a'
import { PartyError } from '../errors.js'

/** A Hypercore of the application, as far as it is used here. */
export interface CoreLike {
  readonly key: Uint8Array | null
  readonly length: number
  ready(): Promise<unknown>
  close(): Promise<unknown>
  session(): CoreLike
  replicate(stream: unknown): unknown
  on(event: string, listener: () => void): unknown
  off(event: string, listener: () => void): unknown
}

/** An instance of a structure. */
export interface Structure {
  readonly type: string
  /** What it was recognised from. */
  readonly instance: object
  /** The feeds that it is made of now; the most important one first, and none is ever taken out. */
  keys(): Promise<Uint8Array[]>
  /** A new session of one of them, the caller's to close. */
  open(key: Uint8Array): CoreLike
  /** Calls back when there may be further feeds; returns what ends that. Null: its feeds are always the same. */
  readonly watch: ((onchange: () => void) => () => void) | null
  /** One of its feeds has so many blocks here. Null: it sees that by itself. */
  readonly grown: ((key: Uint8Array, length: number) => void) | null
}

interface Emitter {
  on(event: string, listener: () => void): unknown
  off(event: string, listener: () => void): unknown
}

interface Drive extends Emitter {
  readonly core: CoreLike
  readonly blobs: { readonly core: CoreLike } | null
}

interface Base extends Emitter {
  readonly key: Uint8Array
  hintWakeup(hint: { key: Uint8Array; length: number }): void
  readonly store: { get(options: { key: Uint8Array; active: boolean }): CoreLike }
  /** Its own view of who writes; null while it opens. */
  readonly system: { readonly db: { createReadStream(): AsyncIterable<{ readonly key: Uint8Array }> } } | null
}

/** A writer in the system view of an Autobase: two bytes of prefix, and its key. */
const MEMBER_BYTES = 34
const MEMBER_PREFIX_BYTES = 2

/**
 * The structure that an instance is; null for what is none. Waits until it is ready, not for any peer.
 *
 * @throws {PartyError} `ERR_PARTY_BAD_KEY` of one that has no key when it is ready; whatever its ready() rejects with.
 */
export async function structureOf(instance: object): Promise<Structure | null> {
  const structure = recognise(instance)
  if (structure !== null) await (instance as { ready?(): Promise<unknown> }).ready?.()
  return structure
}

function recognise(instance: object): Structure | null {
  if ('activeWriters' in instance && 'view' in instance) return autobase(instance as unknown as Base)
  if ('getBlobs' in instance && 'db' in instance) return hyperdrive(instance as unknown as Drive)
  if ('createHistoryStream' in instance && 'core' in instance)
    return single('hyperbee', instance, instance.core)
  if ('blockSize' in instance && 'core' in instance) return single('hyperblobs', instance, instance.core)
  if ('contiguousLength' in instance && 'append' in instance) return single('hypercore', instance, instance)
  return null
}

function single(type: string, instance: object, core: unknown): Structure {
  const cores = (): CoreLike[] => [core as CoreLike]
  return { type, instance, ...fromCores(type, cores), watch: null, grown: null }
}

/** The feed of its contents is known when it is writable, or when its first block is here. */
function hyperdrive(drive: Drive): Structure {
  const type = 'hyperdrive'
  return {
    type,
    instance: drive,
    ...fromCores(type, () => (drive.blobs === null ? [drive.core] : [drive.core, drive.blobs.core])),
    watch(onchange) {
      drive.on('blobs', onchange)
      return () => void drive.off('blobs', onchange)
    },
    grown: null
  }
}

function fromCores(type: string, cores: () => CoreLike[]): Pick<Structure, 'keys' | 'open'> {
  return {
    keys: async () => cores().map(core => keyOf(core, type)),
    open(key) {
      const core = cores().find(one => one.key !== null && b4a.equals(one.key, key)) as CoreLike
      return core.session()
    }
  }
}

function keyOf({ key }: CoreLike, type: string): Uint8Array {
  if (key !== null) return Uint8Array.from(key)
  throw new PartyError('ERR_PARTY_BAD_KEY', `the ${type} has no key yet: await its ready()`)
}

/**
 * The first feed, and those of all writers that were ever added: what they wrote is needed to follow it from the start.
 *
 * Its `activeWriters` are those that wrote something it hasn't applied, so they tell nothing of a writer that was just added.
 */
function autobase(base: Base): Structure {
  const known = new Map<string, Uint8Array>()
  const add = (key: Uint8Array): void => void known.set(b4a.toString(key, 'hex'), Uint8Array.from(key))
  return {
    type: 'autobase',
    instance: base,
    async keys() {
      add(base.key)
      for await (const { key } of base.system?.db.createReadStream() ?? []) {
        if (key.length === MEMBER_BYTES) add(key.subarray(MEMBER_PREFIX_BYTES))
      }
      return [...known.values()]
    },
    open: key => base.store.get({ key: b4a.from(key), active: false }),
    watch(onchange) {
      base.on('update', onchange)
      return () => void base.off('update', onchange)
    },
    // It reads a writer that is no indexer only when somebody tells it to: elsewhere a protocol of its own, here the set.
    grown: (key, length) => base.hintWakeup({ key: b4a.from(key), length })
  }
}
