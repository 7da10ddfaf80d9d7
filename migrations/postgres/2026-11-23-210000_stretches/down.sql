DROP TABLE stretches;
