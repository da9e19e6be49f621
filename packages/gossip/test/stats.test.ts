import test from 'ava'
import promClient from 'prom-client'
import { connect, linked, type Node, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

/** Samples of Prometheus' text format, by name and labels; with the type of each metric. */
async function scrape(): Promise<{ samples: Map<string, number>; types: Map<string, string> }> {
  const samples = new Map<string, number>()
  const types = new Map<string, string>()
  for (const line of (await promClient.register.metrics()).split('\n')) {
    const [, metric = '', type = ''] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? []
    if (metric !== '') types.set(metric, type)
    const [, sample = '', value = ''] = /^(\w+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? []
    if (sample !== '') samples.set(sample, Number(value))
  }
  return { samples, types }
}

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

test.serial('the real prom-client shows what is so at the scrape, drops by reason', async t => {
  const [a, b] = [node(t), node(t)]
  t.teardown(() => promClient.register.clear())
  b.gossip.stats.registerPrometheusMetrics(promClient)
  const before = await scrape()
  t.is(before.samples.get('hearsay_gossip_delivered_total'), 0)
  t.is(before.samples.get('hearsay_gossip_topics'), 1)
  t.is(before.samples.get('hearsay_gossip_links{role="active"}'), 0)

  connect(a, b)
  await linked(a, b)
  await until(() => b.topic.peers()[0]?.role('cats') === 'active')
  for (let i = 0; i < 5; i++) await a.topic.publish(i)
  await until(() => b.messages.length === 5)
  b.gossip.stats.drop('malformed')
  b.gossip.stats.drop('malformed')
  b.gossip.stats.drop('expired')
  const { samples, types } = await scrape()
  t.is(samples.get('hearsay_gossip_delivered_total'), 5)
  t.is(samples.get('hearsay_gossip_links_opened_total'), 1)
  t.is(samples.get('hearsay_gossip_drops_total{reason="malformed"}'), 2)
  t.is(samples.get('hearsay_gossip_drops_total{reason="expired"}'), 1)
  t.is(samples.get('hearsay_gossip_links{role="active"}'), 1)
  t.is(samples.get('hearsay_gossip_links{role="standby"}'), 0)
  t.is(samples.get('hearsay_gossip_peers'), 1)
  t.is(samples.get('hearsay_gossip_connections'), 1)
  t.is(samples.get('hearsay_gossip_authors'), 1)
  t.true((samples.get('hearsay_gossip_cache_bytes') ?? 0) > 0)
  t.true((samples.get('hearsay_gossip_bytes_in_total') ?? 0) > 300)
  t.is(types.get('hearsay_gossip_delivered_total'), 'counter')
  t.is(types.get('hearsay_gossip_drops_total'), 'counter')
  t.is(types.get('hearsay_gossip_cache_bytes'), 'gauge')
  t.is(types.get('hearsay_gossip_links'), 'gauge')
  // A scrape reads, it doesn't add.
  const again = (await scrape()).samples
  t.is(again.get('hearsay_gossip_delivered_total'), 5)
  t.is(again.get('hearsay_gossip_drops_total{reason="malformed"}'), 2)
})

test.serial('every number of toJSON() is a metric, and each metric is named after its kind', async t => {
  const { gossip } = node(t)
  t.teardown(() => promClient.register.clear())
  gossip.stats.registerPrometheusMetrics(promClient)
  gossip.stats.drop('malformed')
  const { samples, types } = await scrape()
  const links = new Set(['activeLinks', 'standbyLinks'])
  for (const [name, value] of Object.entries(gossip.stats.toJSON())) {
    if (name === 'drops' || links.has(name)) continue
    const metric = `hearsay_gossip_${snake(name)}`
    t.is(samples.get(samples.has(metric) ? metric : `${metric}_total`), value as number, name)
  }
  for (const [metric, type] of types) {
    t.regex(metric, /^hearsay_gossip_[a-z_]+$/)
    t.is(metric.endsWith('_total'), type === 'counter', metric)
  }
  t.throws(() => gossip.stats.registerPrometheusMetrics(promClient), { message: /already been registered/ })
})

test('toJSON() is plain, and its keys are always the same in the same order', async t => {
  const [a, b] = [node(t), node(t)] as [Node, Node]
  const keys = Object.keys(a.gossip.stats.toJSON())
  b.gossip.stats.drop('stale')
  b.gossip.stats.drop('expired')
  a.gossip.stats.drop('expired')
  a.gossip.stats.drop('stale')
  connect(a, b)
  await linked(a, b)
  await a.topic.publish(1)
  await until(() => b.messages.length === 1)
  for (const { gossip } of [a, b]) {
    const stats = gossip.stats.toJSON()
    t.deepEqual(JSON.parse(JSON.stringify(gossip.stats)), stats)
    t.deepEqual(Object.keys(stats), keys)
    t.deepEqual(Object.keys(stats.drops), ['expired', 'stale'])
    t.is(Object.getPrototypeOf(stats), Object.prototype)
    const { drops, ...numbers } = stats
    for (const [name, value] of Object.entries({ ...numbers, ...drops })) t.true(Number.isFinite(value), name)
    // The object itself says the same.
    for (const name of keys) t.deepEqual((gossip.stats as never)[name], stats[name as 'drops'], name)
  }
  const copy = a.gossip.stats.toJSON()
  copy.drops.expired = 99
  t.is(a.gossip.stats.drops.expired, 1)
})

test('gauges follow what is held, and are 0 after close()', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  a.gossip.join('dogs')
  b.gossip.join('dogs')
  const [stream] = connect(a, b)
  connect(a, c)
  await until(() => a.gossip.stats.activeLinks === 3)
  t.like(a.gossip.stats.toJSON(), { topics: 2, peers: 2, connections: 2, standbyLinks: 0, authors: 0 })
  await Promise.all([a.topic.publish('x'.repeat(1000)), b.topic.publish('y')])
  await until(() => a.messages.length === 1)
  t.is(a.gossip.stats.authors, 2)
  t.true(a.gossip.stats.cacheBytes > 1000)
  t.is(a.gossip.stats.queuedBytes, 0)
  stream.destroy()
  await until(() => a.gossip.stats.activeLinks === 1)
  t.like(a.gossip.stats.toJSON(), { peers: 1, connections: 1 })
  await a.gossip.close()
  const { topics, peers, connections, activeLinks, standbyLinks, authors, cacheBytes, queuedBytes } =
    a.gossip.stats.toJSON()
  t.deepEqual(
    { topics, peers, connections, activeLinks, standbyLinks, authors, cacheBytes, queuedBytes },
    {
      topics: 0,
      peers: 0,
      connections: 0,
      activeLinks: 0,
      standbyLinks: 0,
      authors: 0,
      cacheBytes: 0,
      queuedBytes: 0
    }
  )
})

test('frames and bytes of a Gossip are those of its peers together', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  connect(a, b)
  connect(a, c)
  await until(() => a.topic.peers().length === 2)
  await linked(b, c)
  await a.topic.publish('to both')
  await until(() => b.messages.length === 1 && c.messages.length === 1)
  const stats = a.gossip.stats.toJSON()
  const sums = { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0 }
  for (const peer of a.topic.peers()) {
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += peer.stats[name]
  }
  t.like(stats, sums)
  t.true(sums.framesOut >= 2 && sums.framesIn >= 2)
})

test('what slow readers lost is counted', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  const subscription = b.topic.messages({ highWaterMark: 2 })
  for (let i = 0; i < 7; i++) await a.topic.publish(i)
  await until(() => subscription.received === 7)
  t.is((await subscription.next()).value?.data, 5)
  t.is(b.gossip.stats.lagged, 5)
  t.is(b.gossip.stats.missed, 0)
})

test('what an ordered reader goes on without is not what it lost by being slow', async t => {
  const [a, b] = [node(t), node(t, { topic: { validate: ({ data }) => (data === 1 ? 'ignore' : 'accept') } })]
  connect(a, b)
  await linked(a, b)
  const subscription = b.topic.messages({ ordered: true })
  const gaps: unknown[] = []
  b.topic.on('gap', ({ from, to }) => gaps.push([from, to]))
  for (let i = 0; i < 3; i++) await a.topic.publish(i)
  await until(() => subscription.received === 2)
  subscription.drain()
  for await (const { seq } of subscription) t.true(seq === 0 || seq === 2)
  await until(() => gaps.length === 1)
  t.deepEqual(gaps, [[1, 1]])
  t.is(b.gossip.stats.lagged, 0)
})
