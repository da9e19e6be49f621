/** The files of a list of parties: nobody sends them, but a disk may say anything. */
import {
  type AuthorSource,
  decodeMaster,
  decodeRegistry,
  decodeRegistryFile,
  encodeMaster,
  encodeRegistry,
  encodeRegistryFile,
  LIMITS,
  type MasterFile,
  type RegistryEntry,
  type SealedBytes
} from '@hearsay/party/core'
import type { Draw } from './draw.js'
import type { Target } from './fuzzer.js'

const AUTHORS: readonly AuthorSource[] = ['app', 'party-id', 'salt']
const textOf = (draw: Draw): string => 'é'.repeat(draw.length(LIMITS.maxPartyNameBytes) >> 1)
const sealedOf = (draw: Draw, bytes: number): SealedBytes => ({
  nonce: draw.bytes(24),
  box: draw.bytes(bytes)
})

function entryOf(draw: Draw): RegistryEntry {
  const { rng } = draw
  const genesis = rng.chance(0.5) ? null : { founderPublicKey: draw.bytes(32), salt: draw.bytes(32) }
  const metadata = draw.bytes(rng.chance(0.05) ? draw.length(LIMITS.maxPartyMetadataBytes) : draw.length(40))
  return {
    ...{ key: draw.bytes(32), author: rng.pick(AUTHORS), authorKey: draw.bytes(32), genesis },
    ...{ name: textOf(draw), rules: textOf(draw), metadata }
  }
}

const list: Target<RegistryEntry[]> = {
  name: 'party-registry',
  isCanonical: true,
  isCopy: true,
  decode: decodeRegistry,
  encode: encodeRegistry,
  check: entries =>
    entries.some(({ author, genesis }) => author === 'salt' && genesis === null)
      ? 'has an author of no salt'
      : null,
  make: draw => encodeRegistry(draw.list(draw.rng.uint32() % 5, () => entryOf(draw)))
}

const file: Target<SealedBytes> = {
  name: 'party-registry-file',
  isCanonical: true,
  isCopy: true,
  decode: decodeRegistryFile,
  encode: encodeRegistryFile,
  check: ({ nonce, box }) => (nonce.length === 24 && box.length >= 16 ? null : 'could not have been sealed'),
  make: draw => encodeRegistryFile(sealedOf(draw, draw.length(64) + (draw.rng.chance(0.9) ? 16 : 0)))
}

const master: Target<MasterFile> = {
  name: 'party-registry-master',
  isCanonical: true,
  isCopy: true,
  decode: decodeMaster,
  encode: encodeMaster,
  check: found =>
    (found.isSealed ? found.sealed.box.length - 16 : found.master.length) === 32 ? null : 'is no key',
  make(draw) {
    const odd = draw.rng.chance(0.9) ? 0 : 1
    if (draw.rng.chance(0.5)) return encodeMaster({ isSealed: false, master: draw.bytes(32 + odd) })
    return encodeMaster({ isSealed: true, sealed: sealedOf(draw, 48 - odd) })
  }
}

/** All of them. */
export const REGISTRY_TARGETS = [list, file, master] as unknown as readonly Target[]
