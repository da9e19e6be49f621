/**
 * A process with a Gossip behind a TCP port, for attacks that may end a process. No test: the tests start it.
 *
 * It prints `{ port }`, and a status for each line of stdin: `gc` collects before, `burst N` publishes N messages first. Each
 * status covers the time since the one before. To a message `{ ask }` it answers `{ answer }`, so that an honest peer can see
 * that it lives. Arguments: limits as JSON; the word `unhardened`, which undoes what protects the muxer, so that the same attack
 * has to end the process.
 */
import { createServer } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { Gossip, type Limits } from '@hearsay/gossip'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import Protomux from 'protomux'
import { TOPIC } from '../../support/attack.js'

const [word = '{}'] = process.argv.slice(2)
const isHardened = word !== 'unhardened'
const gossip = new Gossip(isHardened ? { limits: JSON.parse(word) as Partial<Limits> } : {})
const topic = gossip.join(TOPIC)
topic.on('message', data => {
  const { ask } = data as { ask?: number }
  if (ask !== undefined) topic.publish({ answer: ask }).catch(() => {})
})

const server = createServer(socket => {
  // The application's own errors; a reset of a hostile peer is none of its business.
  socket.on('error', () => {})
  if (isHardened) return void gossip.attach(socket, { initiator: false })
  const stream = new NoiseSecretStream(false, socket)
  const mux = Protomux.from(stream)
  gossip.attach(stream)
  // What `harden` put over the methods of the class is taken off again.
  for (const name of Object.keys(mux).filter(key => Object.hasOwn(Protomux.prototype, key))) {
    delete (mux as unknown as Record<string, unknown>)[name]
  }
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address() as { port: number }
  process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})

const loop = monitorEventLoopDelay({ resolution: 5 })
loop.enable()
let maxRss = 0
setInterval(() => {
  maxRss = Math.max(maxRss, process.memoryUsage.rss())
}, 20)
let cpu = process.cpuUsage()
let sinceMs = performance.now()

async function burst(count: number): Promise<void> {
  const text = 'x'.repeat(1000)
  for (let i = 0; i < count; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => topic.publish({ burst: i + n, text })))
    await new Promise(resolve => setImmediate(resolve))
  }
}

createInterface({ input: process.stdin }).on('line', async line => {
  if (line.startsWith('burst ')) await burst(Number(line.slice(6)))
  if (line === 'gc') (globalThis as { gc?: () => void }).gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage(cpu)
  const status = {
    ...{ rss, maxRss: Math.max(rss, maxRss), heapUsed },
    cpuMs: (user + system) / 1000,
    elapsedMs: performance.now() - sinceMs,
    // The resolution is part of what it measures.
    delayMs: { p99: loop.percentile(99) / 1e6 - 5, max: loop.max / 1e6 - 5 },
    queued: topic.peers().map(({ stats }) => stats.queuedBytes),
    ...{ peers: gossip.peers.size, links: topic.peers().length, stats: gossip.stats }
  }
  process.stdout.write(`${JSON.stringify(status)}\n`)
  loop.reset()
  maxRss = 0
  cpu = process.cpuUsage()
  sinceMs = performance.now()
})
