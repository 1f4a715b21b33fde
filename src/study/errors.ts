/** A study's run that failed; runs that were finished are kept. The command line exits with 1. */
export class StudyError extends Error {
  override readonly name = "StudyError";
}
