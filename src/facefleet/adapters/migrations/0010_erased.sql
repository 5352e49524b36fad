-- When deleted faces were last erased from the files, and how many had been deleted since which start of the server.
CREATE TABLE erased (mark text NOT NULL, at timestamptz NOT NULL);
