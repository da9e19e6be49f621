/**
 * The receive path of the core alone, from the bytes of a frame to the effect 'deliver': no stream, no delivery to an
 * application. Beside it, in the same run, what can't be saved: the hash and the signature check.
 *
 * 20 authors on 4 active links, 4,000 batches per second of virtual time, so that budgets, watermarks and expiry do what
 * they do in life. Rates are per second of CPU time and depend on the machine; the ratio to the bare check is what counts.
 *
 * Usage: npm run bench:core [-- --runs 5] [-- --json] [-- --only 'real 16x64'] [-- --batches 40000]; after a build.
 * A profile: node --cpu-prof bench/core.mjs --runs 1 --only 'stub 1x64' --batches 400000
 */
import {
  BatchDigester,
  encodeAuthor,
  encodeBatch,
  encodeHello,
  encodeLink,
  encodePayloads,
  FrameKind,
  LIMITS,
  makeAuthorRef,
  newIncarnation,
  ownHello,
  TopicCore,
  topicIdOf
} from '../packages/gossip/dist/core.js'
import { createKeyPair, cryptoFor } from '../packages/gossip/dist/node/sodium.js'

const START_MS = 1_760_000_000_000
const TOPIC_KEY = new Uint8Array(32).fill(42)
const AUTHORS = 20
const LINKS = 4
const BATCHES_PER_MS = 4

const CASES = ['stub', 'real'].flatMap(crypto =>
  [1, 16].flatMap(count =>
    [64, 256].map(bytes => ({ name: `${crypto} ${count}x${bytes}`, crypto, count, bytes }))
  )
)

const argument = (name, otherwise) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? otherwise : process.argv[at + 1]
}
const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const REAL = cryptoFor(createKeyPair(new Uint8Array(32).fill(1)))
const NO_BYTES = new Uint8Array(0)

/** CPU seconds of this process: others on the machine make the clock say little. */
const cpuSeconds = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Signed batches of all authors in turn, each in order of seq, with the bytes of their frames. */
function prepare({ count, bytes, batches, isReal }) {
  const topicId = topicIdOf(REAL, TOPIC_KEY)
  const authors = Array.from({ length: AUTHORS }, (_, i) => {
    const keyPair = createKeyPair(new Uint8Array(32).fill(100 + i))
    const crypto = cryptoFor(keyPair)
    const ref = makeAuthorRef(
      keyPair.publicKey,
      newIncarnation(START_MS, () => 0.25)
    )
    return { ref, crypto, digester: new BatchDigester(crypto, topicId), seq: 0 }
  })
  const payloadBytes = encodePayloads(Array.from({ length: count }, (_, i) => new Uint8Array(bytes).fill(i)))
  const made = []
  for (let i = 0; i < batches; i++) {
    const author = authors[i % AUTHORS]
    const createdMs = START_MS + Math.floor(i / BATCHES_PER_MS)
    const unsigned = {
      ref: author.ref,
      seq0: author.seq,
      count,
      createdMs,
      ttlSeconds: 30,
      class: 0,
      payloadBytes
    }
    author.seq += count
    const signature = isReal ? author.crypto.sign(author.digester.digest(unsigned)) : new Uint8Array(64)
    const batch = { ...unsigned, signature, head: NO_BYTES, payloads: [] }
    const hop = { hops: 0, mark: false, repair: false, last: false }
    made.push({ batch, frame: encodeBatch(Math.floor((i % AUTHORS) / LINKS), batch, hop) })
  }
  return { authors, made, topicId }
}

/** A core with four active links that know all authors they send. */
function makeCore(authors, crypto) {
  const options = { topicKey: TOPIC_KEY, author: TOPIC_KEY, crypto, limits: LIMITS, startMs: START_MS }
  const core = new TopicCore(options)
  for (let link = 0; link < LINKS; link++) {
    const binding = {
      handshakeHash: new Uint8Array(64).fill(link),
      isInitiator: true,
      publicKey: new Uint8Array(32),
      remotePublicKey: new Uint8Array(32).fill(link + 1)
    }
    const remote = {
      ...binding,
      isInitiator: false,
      publicKey: binding.remotePublicKey,
      remotePublicKey: binding.publicKey
    }
    const hello = {
      binding: remote,
      roles: 7,
      features: 0,
      maxFrameBytes: 66_048,
      clockMs: START_MS,
      degree: 1
    }
    core.step({ type: 'linkOpening', link, binding, outbound: true }, START_MS)
    core.step({ type: 'hello', link, bytes: encodeHello(ownHello(crypto, TOPIC_KEY, hello)) }, START_MS)
    const ask = encodeLink({ op: 'ask', high: false, backoffMs: 0, degree: 1 })
    core.step({ type: 'frame', link, kind: FrameKind.link, bytes: ask }, START_MS)
    for (let i = link; i < AUTHORS; i += LINKS) {
      const bytes = encodeAuthor(Math.floor(i / LINKS), authors[i].ref)
      core.step({ type: 'frame', link, kind: FrameKind.author, bytes }, START_MS)
    }
  }
  return core
}

/** Messages per second through the core. */
function throughCore(authors, made, crypto) {
  const core = makeCore(authors, crypto)
  let delivered = 0
  const startSeconds = cpuSeconds()
  for (let i = 0; i < made.length; i++) {
    const input = { type: 'frame', link: (i % AUTHORS) % LINKS, kind: FrameKind.batch, bytes: made[i].frame }
    for (const effect of core.step(input, START_MS + 10 + Math.floor(i / BATCHES_PER_MS))) {
      if (effect.type === 'deliver') delivered += effect.batch.count
    }
  }
  const seconds = cpuSeconds() - startSeconds
  const wanted = made.reduce((sum, { batch }) => sum + batch.count, 0)
  if (delivered !== wanted)
    throw new Error(`${delivered} of ${wanted} delivered: ${JSON.stringify(core.counters.drops)}`)
  return delivered / seconds
}

/** Messages per second if nothing but hash and check were done. */
function bareCheck(made, crypto, topicId) {
  const digester = new BatchDigester(crypto, topicId)
  let count = 0
  const startSeconds = cpuSeconds()
  for (const { batch } of made) {
    if (crypto.verify(batch.signature, digester.digest(batch), batch.ref.author)) count += batch.count
  }
  return count / (cpuSeconds() - startSeconds)
}

function main() {
  const runs = Number(argument('--runs', 5))
  const only = argument('--only', '')
  const results = {}
  for (const { name, crypto, count, bytes } of CASES) {
    if (!name.includes(only)) continue
    const isReal = crypto === 'real'
    const batches = Number(argument('--batches', isReal ? 20_000 : 100_000))
    const { authors, made, topicId } = prepare({ count, bytes, batches, isReal })
    const port = isReal ? REAL : { ...REAL, hash: () => new Uint8Array(32), verify: () => true }
    const core = []
    const bare = []
    for (let run = 0; run <= runs; run++) {
      core.push(throughCore(authors, made, port))
      if (isReal) bare.push(bareCheck(made, port, topicId))
    }
    // The first of each warms up.
    const perSecond = median(core.slice(1))
    results[name] = {
      'messages/s': Math.round(perSecond),
      'us/batch': Number(((1e6 * count) / perSecond).toFixed(2)),
      ...(isReal && {
        'bare check/s': Math.round(median(bare.slice(1))),
        'of bare': Number((perSecond / median(bare.slice(1))).toFixed(3))
      })
    }
  }
  if (process.argv.includes('--json')) console.log(JSON.stringify(results))
  else console.table(results)
}

main()
