/**
 * What a party is made of, and what of it leaves the process: one key in three spellings, a discovery key of its own
 * namespace, and nothing that the application noted for itself.
 */
import { createKeyPair, keyId } from '@hearsay/gossip'
import { createNetwork, type NetworkLike } from '@hearsay/gossip/swarm'
import { Party, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import Hypercore from 'hypercore'
import { connectParties, onlyPeer, overhear, PARTY_KEY, partyNode } from '../support/party-node.js'
import { temporaryFolder } from '../support/temporary.js'
import { testnet } from '../support/testnet.js'
import { until } from '../support/until.js'

test('B1 X41 a key is 32 bytes, hex or z-base-32, which are one party; without a key there is a coded TypeError', async t => {
  const folder = await temporaryFolder(t)
  const ids = [PARTY_KEY, b4a.toString(PARTY_KEY, 'hex'), keyId(PARTY_KEY)].map((key, at) => {
    const party = new Party({ key, storage: `${folder}/${at}` })
    t.teardown(() => party.close())
    t.deepEqual(b4a.from(party.key), b4a.from(PARTY_KEY))
    return party.id
  })
  t.is(new Set(ids).size, 1)
  for (const options of [undefined, {}, { storage: folder }, { key: new Uint8Array(31), storage: folder }]) {
    const { code } = t.throws(() => new Party(options as never), { instanceOf: TypeError }) as {
      code?: string
    }
    t.regex(code ?? '', /^ERR_PARTY_BAD_(KEY|OPTION)$/)
  }
})

test('B2 U9 name, metadata and keys are there at once; one key gives a discovery key that is not hypercore’s', async t => {
  const metadata = { since: 2019 }
  const storage = await temporaryFolder(t)
  const party = new Party({ key: PARTY_KEY, storage, name: 'cats', metadata, rules: rules.open() })
  t.teardown(() => party.close())
  t.is(party.name, 'cats')
  t.deepEqual(party.metadata, metadata)
  t.is(party.id, keyId(party.discoveryKey))
  t.is(party.discoveryKey.byteLength, 32)
  t.notDeepEqual(b4a.from(party.discoveryKey), b4a.from(party.key))
  t.notDeepEqual(b4a.from(party.discoveryKey), b4a.from(Hypercore.discoveryKey(b4a.from(PARTY_KEY))))
  t.like(party.toJSON(), { name: 'cats', metadata, rules: 'open' })
})

/** A swarm of the application, on a DHT of the test. */
function swarmOn(t: ExecutionContext, bootstrap: { host: string; port: number }[]): NetworkLike {
  const swarm = createNetwork({ bootstrap })
  t.teardown(() => swarm.destroy())
  return swarm
}

test('B3 U12 the DHT is told the discovery key: the party key is neither announced nor in any record of it', async t => {
  t.timeout(60_000)
  const { bootstrap, createNode } = await testnet(t)
  const { party } = await partyNode(t)
  const joined = party.join(swarmOn(t, bootstrap))
  await joined.flushed()
  const node = createNode() as {
    lookup(key: Uint8Array): AsyncIterable<{ peers: { publicKey: Uint8Array }[] }>
    destroy(): Promise<void>
  }
  t.teardown(() => node.destroy())
  const recordsOf = async (key: Uint8Array): Promise<Uint8Array[]> => {
    const found: Uint8Array[] = []
    for await (const { peers } of node.lookup(key)) for (const { publicKey } of peers) found.push(publicKey)
    return found
  }
  const announced = await recordsOf(party.discoveryKey)
  t.true(announced.length > 0, 'the search finds what is there')
  for (const publicKey of announced) t.false(b4a.equals(publicKey, PARTY_KEY))
  t.deepEqual(await recordsOf(PARTY_KEY), [])
  t.deepEqual(await recordsOf(Hypercore.discoveryKey(b4a.from(PARTY_KEY))), [])
  await joined.leave()
})

test('B58 X26 what an application sets for itself is in no frame: names, metadata, limits, rules; what it asks for is', async t => {
  const words = ['name-of-mine', 'metadata-of-mine', 'rules-of-mine', 'writer-meta-of-mine']
  const a = await partyNode(t, {
    name: words[0] as string,
    metadata: { note: words[1] },
    rules: {
      ...rules.open(),
      name: words[2] as string,
      onRequest: () => ({ type: 'nick', value: 'said-on-request' })
    }
  })
  const b = await partyNode(t, { rules: rules.open() })
  const hidden = await a.party.feeds.writer('quiet', { meta: { note: words[3] } })
  await hidden.append(b4a.from('x'))
  const link = connectParties(a.party, b.party)
  const heard = overhear(link.b)
  const peer = await onlyPeer(b.party)
  const shown = await a.party.feeds.writer('shown')
  await a.party.introduce(shown)
  await until(() => b.party.feeds.has(shown.key))
  t.deepEqual(await peer.request({ type: 'who' }), { type: 'nick', value: 'said-on-request' })
  const isHeard = (text: string): boolean => heard.some(bytes => b4a.indexOf(bytes, text) >= 0)
  t.true(isHeard('said-on-request'), 'the search finds what is there')
  for (const word of words) t.false(isHeard(word), word)
})

test('B15 no secret is in what is shown of a party: not in hex, base64 or z-base-32', async t => {
  const keyPair = createKeyPair()
  const { party } = await partyNode(t, { keyPair })
  const shown = JSON.stringify(party) + JSON.stringify(party.toJSON())
  const seed = keyPair.secretKey.subarray(0, 32)
  for (const secret of [PARTY_KEY, keyPair.secretKey, seed]) {
    for (const encoding of ['hex', 'base64'] as const) t.false(shown.includes(b4a.toString(secret, encoding)))
  }
  for (const secret of [PARTY_KEY, seed]) t.false(shown.includes(keyId(secret)))
  t.true(shown.includes(party.id), 'its discovery key is')
})
