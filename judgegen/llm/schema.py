"""The tables of a journal, and the view in which its questions are whole. SQL alone."""

TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    id TEXT PRIMARY KEY, role TEXT NOT NULL, prompt_id TEXT NOT NULL, variant TEXT NOT NULL,
    request TEXT NOT NULL, outcome TEXT NOT NULL, usage TEXT NOT NULL, cost TEXT,
    timings TEXT NOT NULL, attempts INTEGER NOT NULL, "when" TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS prompts (position INTEGER PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS texts (name TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, call_id TEXT NOT NULL, worst TEXT NOT NULL, "when" TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sums (kind TEXT, name, sum TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS altered AS SELECT * FROM calls WHERE 0;
CREATE TABLE IF NOT EXISTS troubles (call_id TEXT PRIMARY KEY, reason TEXT NOT NULL, message TEXT NOT NULL);
"""
"""`sums`: the checksum of each call, prompt and text by its key, and how many prompts there are. `altered`: answers
that were found to be not as they were written, put aside when their call was asked again; they were paid for.
`troubles`: why a call that was asked has no answer, until it has one."""

ASKED = """
CREATE VIEW IF NOT EXISTS asked AS SELECT id, role, prompt_id, variant, (
    WITH RECURSIVE put(said, rest) AS (
        SELECT '', calls.request
        UNION ALL
        SELECT said || substr(rest, 1, instr(rest, '«') - 1) || coalesce((
            SELECT substr(json_quote(text), 2, length(json_quote(text)) - 2) FROM (
                SELECT mark, trim(CASE instr(mark, '@')
                    WHEN 0 THEN json_extract(outcome, '$.choices[' || (0 + substr(mark, 38)) || '].text')
                    ELSE json_extract(request, '$.messages[' || (0 + substr(mark, 38)) || '].content')
                END, ' ' || char(9, 10, 13)) AS text
                FROM (SELECT substr(rest, instr(rest, '«'), instr(rest, '»') - instr(rest, '«') + 1) AS mark)
                JOIN calls AS other ON other.id = substr(mark, 2, 35)
            ) WHERE length(text) = 0 + substr(mark, instr(mark, ' ') + 1)
              AND (instr(mark, '@') OR substr(mark, 2, 35) NOT IN (SELECT id FROM altered))
        ), substr(rest, instr(rest, '«'), instr(rest, '»') - instr(rest, '«') + 1)
        ), substr(rest, instr(rest, '»') + 1)
        FROM put WHERE instr(rest, '«') > 0
    )
    SELECT said || rest FROM put WHERE instr(rest, '«') = 0
) AS request FROM calls
"""
"""Every question as it was put; a mark stays where the answer was put aside since, and asked for again."""
