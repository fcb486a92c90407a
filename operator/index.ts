export type { JobDefaults } from './job.ts'
export { type ClosableTransport, type Credentials, httpTransport } from './kernel/transport.ts'
export {
  type Controllers,
  type ControllersOptions,
  type ControllersPorts,
  openControllers,
} from './operator.ts'
export type { LogLine } from './surroundings.ts'
