/**
 * Several parties in one Corestore and on one Hyperswarm: what is written in one is never seen in another.
 *
 *   node many-parties.js NAME STORAGE HOST:PORT               makes the parties 'family' and 'chess', prints their keys
 *   node many-parties.js NAME STORAGE HOST:PORT KEY KEY       takes part in both
 *
 * HOST:PORT is a bootstrap node on this machine; '-' asks the public DHT. Each side says a line in each party, prints what it
 * reads, and ends.
 */
import type { Feed } from '@hearsay/feeds'
import { Parties, type Party, rules } from '@hearsay/party'
import Corestore from 'corestore'
import DHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'
import { bootstrapOf } from './bootstrap.js'

const [me, storage, address, ...keys] = process.argv.slice(2)
if (!me || !storage || !address)
  throw new TypeError('usage: many-parties.js NAME STORAGE HOST:PORT|- [KEY KEY]')

const store = new Corestore(storage)
// On one machine a node has to be told that nobody shuts it off; it would find out by itself, but later.
const local = { ...(address !== '-' && bootstrapOf(address)), host: '127.0.0.1', firewalled: false }
const swarm = new Hyperswarm(address === '-' ? {} : { dht: new DHT(local) })

// The list of parties is kept in the store, sealed. Each party has a set of feeds and an author of its own.
const parties = new Parties({ storage: store, swarm, rules: { friends: rules.open() } })
// Told before a party meets anybody: what is listened to from here on misses nothing.
const found = new Map<Party, Promise<Feed>>()
parties.on('party', party => {
  const first = new Promise<Feed>(resolve => {
    party.on('feed', async feed => {
      await feed.ready()
      if (!feed.writable) resolve(feed)
    })
  })
  found.set(party, first)
})

const names = ['family', 'chess']
const opened: Party[] = []
for (const [i, name] of names.entries()) {
  const options = { name, rules: 'friends', metadata: { place: i } }
  opened.push(keys[i] === undefined ? await parties.create(options) : await parties.add(keys[i], options))
}
// Nobody else is in this one: on the connection there is no trace of it.
const diary = await parties.create({ name: 'diary' })
await (await diary.feeds.writer('log')).append(Buffer.from('for nobody'))

if (keys.length === 0) {
  for (const { name, key } of opened) console.log(`${name} ${Buffer.from(key).toString('hex')}`)
}

// Says a line in a party, and prints the first one of somebody else.
async function talk(party: Party): Promise<{ party: Party; mine: Feed; theirs: Feed }> {
  const mine = await party.feeds.writer('log')
  await mine.append(Buffer.from(`${me} in ${party.name}`))
  await party.introduce(mine)
  const theirs = (await found.get(party)) as Feed
  console.log(`${party.name}: ${await theirs.get(0)}`)
  return { party, mine, theirs }
}

const talks = await Promise.all(opened.map(talk))
for (const { name, feeds, peers } of [...opened, diary]) {
  console.log(`${name} has ${feeds.size} feeds and ${peers.size} peers`)
}
console.log(`${swarm.connections.size} connection`)

// Who made the parties says that all was read, and waits until the other has left.
await Promise.all(
  talks.map(async ({ party, mine, theirs }) => {
    if (keys.length > 0) return theirs.get(1)
    const left = new Promise<unknown>(resolve => party.on('peer-remove', resolve))
    await mine.append(Buffer.from('read'))
    return left
  })
)

// Closes the parties; swarm and store are ours, so we close them.
await parties.close()
await swarm.destroy()
await store.close()
