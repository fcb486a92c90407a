// A child process that puts one file and may be killed while it does: node put-once.ts '{"location", "surroundings", "name", "file"}'
import { openLandingStore } from '../../jobs/stores/index.ts'
import { portsOf } from './ports.ts'

const { location, surroundings, name, file } = JSON.parse(process.argv[2]!)
const store = await openLandingStore(location, portsOf(surroundings))
await store.list('')
console.log('started')
await store.put(name, file)
await store.close()
