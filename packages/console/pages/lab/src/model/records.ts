/** The server defines the form of its records. */
export type {
  CloseCause,
  Direction,
  Fault,
  HubAction,
  LabConfig,
  LaneName,
  Login,
  PersonName,
  WireRecord,
} from '../../../../../server/src/lab/records.ts';
