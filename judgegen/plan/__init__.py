"""The plan of a run: the run file's words become what each stage needs. The only room that knows both."""
