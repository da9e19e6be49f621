/**
 * The proof that a feed was signed twice for one length: made from Hypercore's own, checked by anybody who has it.
 *
 *   version (u8: 1) | feed key (32) | manifest (buffer) | length (uint) | two halves
 *   half    fork (uint) | nodes[] | additional nodes[] | signature (buffer)
 *   node    index (uint) | size (uint) | hash (32)
 *
 * `nodes` are the roots of the tree at `length`, `additional nodes` lead from there to the length that was signed. Two trees
 * that the author of the feed signed, on one fork, must agree at every length that both have: if their roots at `length`
 * differ, the feed forked. Nothing else has to be believed.
 *
 * Internals used, each pinned by a contract test: `lib/merkle-tree.js` and `lib/verifier.js` of Hypercore.
 */
import b4a from 'b4a'
import c from 'compact-encoding'
import type { Manifest } from 'hypercore'
import merkleTree from 'hypercore/lib/merkle-tree.js'
import Verifier from 'hypercore/lib/verifier.js'
import { encodeFields } from '../encoding.js'
import type { TreeNode, TreeProof } from './hypercore.js'

const VERSION = 1
/** No tree of 2^53 blocks has more roots or needs more nodes. */
const MAX_NODES = 64
const MAX_MANIFEST_BYTES = 4_096
const MAX_SIGNATURE_BYTES = 4_096
/** Hypercore's batch begins with an empty tree. */
const EMPTY_TREE = {
  fork: 0,
  roots: [],
  length: 0,
  byteLength: 0,
  signature: null,
  prologue: null,
  storage: null
}

/** What a valid proof shows. */
export interface ForkEvidence {
  /** 32 bytes. */
  key: Uint8Array
  /** Length for which there are two trees. */
  length: number
  /** Hypercore's fork counter that both were signed with. */
  fork: number
  /** Blocks that are the same in both, at least. */
  common: number
}

interface Half {
  fork: number
  nodes: TreeNode[]
  additionalNodes: TreeNode[]
  signature: Uint8Array
}

interface Proof {
  key: Uint8Array
  manifest: Manifest
  length: number
  halves: [Half, Half]
}

/** A proof as bytes; null if the two don't contradict each other, or can't be brought together. */
export function encodeForkProof(
  key: Uint8Array,
  ours: TreeProof | null,
  theirs: TreeProof
): Uint8Array | null {
  const manifest = ours?.manifest ?? theirs.manifest
  if (ours === null || !manifest || ours.upgrade.length !== theirs.upgrade.length) return null
  const encoded = encodeFields(encode => {
    encode(c.uint8, VERSION)
    encode(c.fixed32, key)
    encode(c.buffer, Verifier.encodeManifest(manifest as Manifest))
    encode(c.uint, ours.upgrade.length)
    for (const { fork, upgrade } of [ours, theirs]) {
      encode(c.uint, fork)
      for (const nodes of [upgrade.nodes, upgrade.additionalNodes]) {
        encode(c.uint, nodes.length)
        for (const { index, size, hash } of nodes) {
          encode(c.uint, index)
          encode(c.uint, size)
          encode(c.fixed32, hash)
        }
      }
      encode(c.buffer, upgrade.signature)
    }
  })
  return verifyForkProof(encoded) === null ? null : encoded
}

/** What a proof shows; null for anything that isn't a valid proof. Never throws. */
export function verifyForkProof(bytes: Uint8Array): ForkEvidence | null {
  try {
    const proof = decode(bytes)
    return proof === null ? null : judge(proof)
  } catch {
    return null // cut off, malformed, or a tree that doesn't fit together
  }
}

function decode(bytes: Uint8Array): Proof | null {
  const state = { start: 0, end: bytes.byteLength, buffer: bytes } as never
  if (c.uint8.decode(state) !== VERSION) return null
  const key = b4a.from(c.fixed32.decode(state))
  const manifest = bounded(c.buffer.decode(state), MAX_MANIFEST_BYTES)
  const length = c.uint.decode(state)
  const half = (): Half => ({
    fork: c.uint.decode(state),
    nodes: nodesOf(state),
    additionalNodes: nodesOf(state),
    signature: bounded(c.buffer.decode(state), MAX_SIGNATURE_BYTES)
  })
  return { key, manifest: Verifier.decodeManifest(manifest), length, halves: [half(), half()] }
}

function nodesOf(state: never): TreeNode[] {
  const count = c.uint.decode(state)
  if (count > MAX_NODES) throw new Error('too many nodes')
  return Array.from({ length: count }, () => ({
    index: c.uint.decode(state),
    size: c.uint.decode(state),
    hash: b4a.from(c.fixed32.decode(state))
  }))
}

function bounded(bytes: Uint8Array | null, max: number): Uint8Array {
  if (bytes === null || bytes.byteLength > max) throw new Error('missing or too long')
  return b4a.from(bytes)
}

function judge({ key, manifest, length, halves }: Proof): ForkEvidence | null {
  if (!b4a.equals(Verifier.manifestHash(manifest), key)) return null
  const verifier = new Verifier(key, manifest)
  const [one, two] = halves
  if (one.fork !== two.fork || one.nodes.length !== two.nodes.length) return null
  for (const half of halves) {
    const signed = treeOf(half, length, half.additionalNodes)
    if (!verifier.verify(signed, half.signature)) return null
  }
  const [a, b] = halves.map(half => treeOf(half, length, []))
  if (a === undefined || b === undefined || b4a.equals(a.hash(), b.hash())) return null
  return { key, length, fork: one.fork, common: commonLength(a.roots, b.roots) }
}

/** The tree of a half: at the proof's length, or at the length that was signed. */
function treeOf({ fork, nodes, signature }: Half, length: number, additionalNodes: TreeNode[]) {
  const upgrade = { start: 0, length, nodes, additionalNodes, signature }
  const proof = { fork, block: null, hash: null, seek: null, upgrade } as const
  return merkleTree.MerkleTree.verifyFullyRemote(EMPTY_TREE, proof)
}

/** Roots stand from left to right, the largest first: equal ones are equal blocks. */
function commonLength(a: readonly TreeNode[], b: readonly TreeNode[]): number {
  let blocks = 0
  for (const [i, root] of a.entries()) {
    const other = b[i]
    if (other === undefined || other.index !== root.index || !b4a.equals(other.hash, root.hash)) break
    blocks = root.index + 1 - blocks
  }
  return blocks
}
