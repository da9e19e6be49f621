/**
 * A process with a list of parties, for tests that kill it.
 *
 *   node parties-child.js FOLDER loop          makes parties one after the other and prints the key of each that was acknowledged
 *   node parties-child.js FOLDER stuck         makes one, then one whose file is written and never renamed: prints 'written'
 *   node parties-child.js FOLDER hold          opens the list and waits
 */
import { Parties } from '@hearsay/party'
import { writeTemporaryFile, writeWholeFile } from '#party/node/whole-file'

const [storage = '', mode] = process.argv.slice(2)
let isStuck = false
const parties = new Parties(
  { storage },
  {
    async writeFile(path, bytes) {
      if (!isStuck) return writeWholeFile(path, bytes)
      await writeTemporaryFile(path, bytes)
      console.log('written')
      return new Promise(() => {})
    }
  }
)
await parties.ready()
setInterval(() => {}, 1000)
const print = (key: Uint8Array): void => console.log(Buffer.from(key).toString('hex'))
if (mode === 'hold') console.log('open')
if (mode === 'stuck') {
  print((await parties.create({ name: 'kept' })).key)
  isStuck = true
  await parties.create({ name: 'lost' })
}
for (let i = 0; mode === 'loop'; i++) {
  const party = await parties.create({ name: `party ${i}` })
  print(party.key)
  await party.close()
}
