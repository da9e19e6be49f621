/** Every frame of the party channel as bytes that never change: positions are appended to, and nothing is renumbered. */
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { decodeFrame, encodeFrame, encodeHello, frameIndex, type PartyFrame } from '#party/core/frames'
import { bytes, hex } from './support-crypto.js'

const FILE = new URL('../../../../test/vectors/party-frames.json', import.meta.url)
const filled = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte)
const range = { depth: 3, path: new Uint8Array([0x12, 0x30]) }

const FRAMES: readonly PartyFrame[] = [
  {
    type: 'bind',
    author: filled(32, 1),
    signature: filled(64, 2),
    setVersion: 70_000,
    agent: 'hearsay/0.1',
    credential: filled(3, 3)
  },
  { type: 'root', set: 1, round: 1, count: 10_000, fp: filled(16, 4) },
  {
    type: 'nodes',
    set: 0,
    round: 2,
    nodes: [
      {
        ...range,
        children: [
          { nibble: 0, count: 17, fp: filled(8, 5) },
          { nibble: 15, count: 300, fp: filled(8, 6) }
        ]
      }
    ]
  },
  { type: 'items', set: 1, round: 3, isReply: true, groups: [{ ...range, shorts: [filled(8, 7)] }] },
  { type: 'pull', set: 1, round: 3, all: [{ depth: 0, path: new Uint8Array(0) }], shorts: [filled(8, 8)] },
  { type: 'records', set: 1, round: 0, isLast: true, records: [filled(5, 9), new Uint8Array(0)] },
  { type: 'done', set: 0, round: 4 },
  { type: 'ready' },
  { type: 'introduce', call: 253, records: [filled(2, 10)] },
  {
    type: 'answer',
    call: 253,
    results: [
      { key: filled(32, 11), verdict: 'accepted', reason: '' },
      { key: filled(32, 12), verdict: 'rejected', reason: 'ERR_PARTY_LIMIT' }
    ]
  },
  { type: 'lengths', entries: [{ slot: filled(16, 13), fork: 1, length: 70_000, complete: 3 }] },
  { type: 'grant', isGranted: true, slots: [filled(16, 14)], reason: 0 },
  { type: 'request', call: 1, name: 'add', value: new Uint8Array([0x93, 1, 2, 3]) },
  { type: 'response', call: 1, name: 'sum', value: new Uint8Array([6]) },
  { type: 'error', call: 2, code: 'ERR_PARTY_NO_HANDLER', message: 'requests are not handled here' },
  { type: 'ephemeral', name: 'typing', value: new Uint8Array([0xc3]) },
  { type: 'synced', round: 5, missing: 0 },
  { type: 'close', reason: 'leaving', text: 'bye' }
]

const HELLO = encodeHello({ version: 1, proof: filled(32, 15), features: 0, maxFrameBytes: 68 * 1024 })
const computed: Record<string, string> = {
  hello: hex(HELLO),
  ...Object.fromEntries(
    FRAMES.map(frame => [frame.type, `${frameIndex(frame.type)} ${hex(encodeFrame(frame))}`])
  )
}
if (process.env.UPDATE_VECTORS === '1') writeFileSync(FILE, `${JSON.stringify(computed, null, 2)}\n`)
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>

test('B25 index and bytes of every frame equal the golden vectors, and are read back', t => {
  t.is(FRAMES.length, 18)
  t.deepEqual(computed, golden)
  for (const frame of FRAMES) {
    const [index, text] = (golden[frame.type] as string).split(' ') as [string, string]
    t.deepEqual(decodeFrame(Number(index), bytes(text)), { ok: true, value: frame })
  }
})
