/** A link that is slower than what is published: lag mode loses nothing that is still cached, and holds up nobody else. */
import test from 'ava'
import { type End, FaultyNet, type FaultyNode } from './support/faulty-net.js'

/** A publisher with a fast and a slow neighbour. Publishes for a while; returns who they are. */
function publish(about: { slowBytesPerMs: number; seconds: number; batchBytes: number; seed?: number }) {
  const net = new FaultyNet(about.seed ?? 1)
  const [author, fast, slow] = [net.node(), net.node(), net.node()]
  net.connect(author, fast)
  const [end] = net.connect(author, slow)
  net.run(500)
  end.out.bytesPerMs = about.slowBytesPerMs
  const sentMs = new Map<string, number>()
  const most = { link: 0, connection: 0 }
  for (let ms = 0; ms < about.seconds * 1000; ms += 20) {
    const text = `${ms} ${'x'.repeat(about.batchBytes)}`
    sentMs.set(text, net.nowMs)
    author.publish(text)
    for (let step = 0; step < 4; step++) {
      net.run(5)
      most.link = Math.max(most.link, end.egress.queuedBytes(end.link))
      most.connection = Math.max(most.connection, end.egress.queuedBytes())
    }
  }
  return { net, author, fast, slow, end, sentMs, most }
}

const missing = (node: FaultyNode, sentMs: ReadonlyMap<string, number>): string[] =>
  [...sentMs.keys()].filter(text => !node.heardMs.has(text)).map(text => text.slice(0, 10))

function p99(node: FaultyNode, sentMs: ReadonlyMap<string, number>): number {
  const delays = [...sentMs].map(
    ([text, atMs]) => (node.heardMs.get(text) ?? Number.POSITIVE_INFINITY) - atMs
  )
  delays.sort((a, b) => a - b)
  return delays[Math.floor(delays.length * 0.99)] as number
}

const lagged = ({ node, link }: End): number =>
  node.log.of('warning').filter(warning => warning.code === 'slow-peer' && warning.link === link).length

test('E1 E2 a link at a tenth of what is published lags, and in the end has every message that did not expire', t => {
  for (const seed of [1, 2, 3]) {
    // 100 KB/s for 10 s, over a link of 15 KB/s: a minute and a half, less than the time to live.
    const { net, fast, slow, end, sentMs, most } = publish({
      slowBytesPerMs: 15,
      seconds: 10,
      batchBytes: 2000,
      seed
    })
    t.true(lagged(end) > 0, 'it lagged')
    t.true(end.egress.droppedBatches > 100, 'its queue was dropped')
    t.true(most.link <= 256 * 1024, `${most.link} bytes were queued`)
    t.deepEqual(missing(fast, sentMs), [])
    t.true(missing(slow, sentMs).length > sentMs.size / 2, 'most is still to come')
    net.run(95_000)
    t.deepEqual(missing(slow, sentMs), [], `seed ${seed}`)
    t.is(slow.log.delivered.length, sentMs.size)
    t.deepEqual(slow.log.of('gap'), [])
    // Pulled once, not again and again.
    const payload = sentMs.size * 2100
    t.true(end.out.carried < 1.5 * payload, `${end.out.carried} bytes for ${payload}`)
    t.deepEqual([net.closed, slow.charged], [[], {}])
  }
})

test('E3 a slow neighbour delays no other', t => {
  const alone = publish({ slowBytesPerMs: Number.POSITIVE_INFINITY, seconds: 5, batchBytes: 2000 })
  const beside = publish({ slowBytesPerMs: 1, seconds: 5, batchBytes: 2000 })
  t.is(lagged(alone.end), 0)
  t.true(lagged(beside.end) > 0)
  t.deepEqual(missing(beside.fast, beside.sentMs), [])
  t.true(p99(beside.fast, beside.sentMs) <= 1.05 * p99(alone.fast, alone.sentMs))
})

test('a link that can not take its payload is kept alive, and costs nobody points', t => {
  const { net, author, slow, end, sentMs } = publish({ slowBytesPerMs: 2, seconds: 20, batchBytes: 4000 })
  t.deepEqual(
    net.nodes.flatMap(node => node.core.links()).filter(({ isSuspect }) => isSuspect),
    []
  )
  t.true(slow.log.delivered.length < sentMs.size / 4)
  t.true(end.isOpen)
  t.deepEqual([net.closed, author.charged, slow.charged], [[], {}, {}])
})

test('what expires while a link lags is told exactly, and the rest comes', t => {
  const net = new FaultyNet(5)
  const [author, slow] = [net.node(), net.node()]
  const [end] = net.connect(author, slow)
  net.run(500)
  author.publish('first')
  net.run(200)
  end.out.hold()
  for (let i = 0; i < 300; i++) {
    author.publish(`old ${i} ${'x'.repeat(4000)}`, 5000)
    net.run(10)
  }
  net.run(40_000)
  end.out.release()
  net.run(2000)
  for (let i = 0; i < 10; i++) {
    author.publish(`new ${i}`)
    net.run(50)
  }
  // Given up is what is missing when what came after it has expired, too.
  net.run(125_000)
  const texts = slow.log.texts()
  for (let i = 0; i < 10; i++) t.true(texts.includes(`new ${i}`), String(i))
  const lost = slow.log.of('gap').reduce((sum, { from, to }) => sum + to - from + 1, 0)
  t.is(texts.length + lost, 311)
  t.true(lost > 100, String(lost))
})
