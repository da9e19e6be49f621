/**
 * Which feed holds the contents of a Hyperdrive: it follows from the manifest of the one that holds its entries.
 *
 * Source: `generateContentManifest` in Hyperdrive 13, rewritten here because the structures are the application's
 * dependencies. A test compares it with Hyperdrive's own.
 */
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'

type Hash = CryptoPort['hash']

interface Signer {
  readonly publicKey: Uint8Array
  readonly namespace: Uint8Array
}

interface DriveManifest {
  readonly version: number
  readonly signers: readonly Signer[]
  readonly quorum?: number
  readonly allowPatch?: boolean
}

/** Drives before manifests name the feed of their contents in their first block instead. */
const FIRST_VERSION = 1
/** Number of the namespace of contents among those of Hyperdrive. */
const CONTENTS = 0

/**
 * Manifest of the feed with a drive's contents; its hash is the feed's key. Null: it doesn't follow from this manifest.
 *
 * @param hash - BLAKE2b-256 over all its arguments.
 * @param manifest - Of the feed with the drive's entries, as Hypercore has it. Of a remote: checked, never trusted.
 * @param key - Key of that feed, 32 bytes.
 */
export function driveContentManifest(hash: Hash, manifest: unknown, key: Uint8Array): object | null {
  if (!isDriveManifest(manifest)) return null
  const contents = hash(hash(b4a.from('hyperdrive')), Uint8Array.of(CONTENTS))
  const { version, allowPatch, quorum, signers } = manifest
  return {
    version,
    hash: 'blake2b',
    allowPatch,
    quorum,
    signers: signers.map(signer => ({ ...signer, namespace: hash(contents, key, signer.namespace) })),
    prologue: null
  }
}

function isDriveManifest(manifest: unknown): manifest is DriveManifest {
  if (typeof manifest !== 'object' || manifest === null) return false
  const { version, signers } = manifest as Partial<DriveManifest>
  if (typeof version !== 'number' || version < FIRST_VERSION || !Array.isArray(signers)) return false
  return signers.length > 0 && signers.every(signer => signer?.namespace instanceof Uint8Array)
}
