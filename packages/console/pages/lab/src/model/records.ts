/** The server's side of this page decides the form of what it tells. */
export type {
  CloseCause,
  Direction,
  Fault,
  HubChange,
  LabConfig,
  LaneName,
  Login,
  PersonName,
  WireRecord,
} from '../../../../../server/src/lab/records.ts';
