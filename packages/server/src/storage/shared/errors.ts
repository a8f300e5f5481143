export { DataFolderError, type DataFolderReason } from '../../core/data-folder-error.ts';
