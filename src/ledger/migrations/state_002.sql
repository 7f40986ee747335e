-- Daily quotas move into the tables that hold all of a quota's owner.

DROP TABLE daily;
