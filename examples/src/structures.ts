/**
 * A party is for any structure over Hypercore: Alice introduces a Hypercore, a Hyperbee, a Hyperdrive and an Autobase, Bob
 * reads all of them, and becomes a writer of the Autobase.
 *
 *   node structures.js STORAGE      STORAGE: a folder for both, made if needed
 */
import { randomBytes } from 'node:crypto'
import { Party, type PartyBundle, rules } from '@hearsay/party'
import Autobase from 'autobase'
import Hyperbee from 'hyperbee'
import Hyperdrive from 'hyperdrive'

const [storage] = process.argv.slice(2)
if (!storage) throw new TypeError('usage: structures.js STORAGE')

const key = randomBytes(32)
const alice = new Party({ key, storage: `${storage}/alice`, rules: rules.open() })
const bob = new Party({ key, storage: `${storage}/bob`, rules: rules.open() })
await Promise.all([alice.ready(), bob.ready()])
const alive = setInterval(() => {}, 1000) // streams in memory keep no process up

// One entry after the other, in an order that all agree on; an entry may make somebody a writer.
const handlers = {
  valueEncoding: 'json',
  open: (views: { get(name: string, options: object): Entries }) =>
    views.get('entries', { valueEncoding: 'json' }),
  async apply(nodes: { value: Entry }[], view: Entries, host: { addWriter(key: Uint8Array): Promise<void> }) {
    for (const { value } of nodes) {
      if (value.writer !== undefined) await host.addWriter(Buffer.from(value.writer, 'hex'))
      else await view.append(value)
    }
  }
}
type Entry = { writer?: string; text?: string }
type Entries = { length: number; get(index: number): Promise<Entry>; append(entry: Entry): Promise<unknown> }

/** Resolves when a base has so many entries. */
async function texts(base: Autobase<Entries>, count: number): Promise<string[]> {
  while (base.view.length < count) {
    await base.update()
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return Promise.all(Array.from({ length: count }, async (_, i) => (await base.view.get(i)).text ?? ''))
}

// What Alice has. Each structure that she writes lies in a namespace of the party's storage.
const pairs = { keyEncoding: 'utf-8', valueEncoding: 'json' }
const log = await alice.feeds.writer('log')
const bee = new Hyperbee(await alice.feeds.writer('pairs'), pairs)
const drive = new Hyperdrive(alice.store().namespace('files'))
const ours = new Autobase<Entries>(alice.store().namespace('chat'), null, handlers)
await log.append(Buffer.from('a block'))
await bee.put('answer', 42)
await drive.put('/hello.txt', Buffer.from('a file'))
await ours.append({ text: 'alice was here' })

// What Bob is told. The types are Alice's words: they say what to open, and Bob decides what he opens.
const told = new Map<string, PartyBundle>()
bob.on('bundle', bundle => told.set(bundle.type, bundle))
const bundle = (type: string): PartyBundle => {
  const known = told.get(type)
  if (known === undefined) throw new Error(`no ${type} was introduced`)
  return known
}

await alice.introduce([log, bee, drive, ours])
const stream = alice.replicate(true)
stream.pipe(bob.replicate(false)).pipe(stream)
await bob.synced({ timeoutMs: 10_000 })

console.log(`hypercore: ${await bob.feeds.get(log.key)?.get(0)}`)
const copyOfPairs = new Hyperbee(bob.feeds.get(bundle('hyperbee').key), pairs)
console.log(`hyperbee: the answer is ${(await copyOfPairs.get('answer'))?.value}`)
const copyOfDrive = new Hyperdrive(bob.store(), bundle('hyperdrive').key)
console.log(`hyperdrive: ${await copyOfDrive.get('/hello.txt')}`)
const theirs = new Autobase<Entries>(bob.store().namespace('chat'), bundle('autobase').key, handlers)
console.log(`autobase: Bob reads ${await texts(theirs, 1)}`)

// Bob asks for nothing: Alice adds his writer, the party tells it to all members, their rules take it.
await ours.append({ writer: Buffer.from(theirs.local.key).toString('hex') })
while (!theirs.writable) await new Promise(resolve => setTimeout(resolve, 10))
await theirs.append({ text: 'bob, too' })
console.log(`autobase: Alice reads ${(await texts(ours, 2)).join(', ')}`)

await Promise.all([drive.close(), ours.close(), copyOfDrive.close(), theirs.close()])
await Promise.all([alice.close(), bob.close()])
clearInterval(alive)
