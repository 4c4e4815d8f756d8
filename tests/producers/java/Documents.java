import io.debezium.connector.mongodb.MongoDbSchema;
import io.debezium.data.Envelope;
import io.debezium.data.Json;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/** Changes of a collection of MongoDB, as Debezium's connector makes them: documents are JSON in a text. */
final class Documents {
    private static final String TOPIC = "shop.shop.carts";
    private static final String ID = "{\"$oid\": \"65a0c0ffee65a0c0ffee65a0\"}";
    private static final String DOCUMENT =
            "{\"_id\": " + ID + ",\"user_id\": \"Zoë\",\"total\": {\"$numberLong\": \"7\"}}";
    private static final Schema KEY =
            SchemaBuilder.struct().name(TOPIC + ".Key").field("id", Schema.STRING_SCHEMA).build();
    private static final Schema SOURCE = Sources.schema("mongo")
            .field("collection", Schema.STRING_SCHEMA)
            .field("ord", Schema.INT32_SCHEMA)
            .field("lsid", Schema.OPTIONAL_STRING_SCHEMA)
            .field("txnNumber", Schema.OPTIONAL_INT64_SCHEMA)
            .field("wallTime", Schema.OPTIONAL_INT64_SCHEMA)
            .build();
    private static final Envelope ENVELOPE = Envelope.defineSchema()
            .withName(TOPIC + ".Envelope")
            .withSchema(Json.builder().optional().build(), Envelope.FieldName.BEFORE, Envelope.FieldName.AFTER)
            .withSchema(MongoDbSchema.UPDATED_DESCRIPTION_SCHEMA, "updateDescription")
            .withSource(SOURCE)
            .build();

    static Map<String, SourceRecord> records(Instant now) {
        Struct source = Sources.source(SOURCE, "mongodb", now).put("collection", "carts").put("ord", 1);
        Map<String, SourceRecord> records = new LinkedHashMap<>();
        records.put("document created", record(value("c", source, now).put("after", DOCUMENT)));
        records.put("document updated", record(updated(source, now).put("after", DOCUMENT)));
        // With capture.mode=change_streams an update has no document, and a delete never one without a pre-image.
        records.put("document updated in part", record(updated(source, now)));
        records.put("document deleted", record(value("d", source, now)));
        records.put("document deleted with image", record(value("d", source, now).put("before", DOCUMENT)));
        return records;
    }

    private static SourceRecord record(Struct value) {
        Struct key = new Struct(KEY).put("id", ID);
        return new SourceRecord(Map.of(), Map.of(), TOPIC, 0, KEY, key, ENVELOPE.schema(), value);
    }

    private static Struct updated(Struct source, Instant now) {
        Struct description = new Struct(MongoDbSchema.UPDATED_DESCRIPTION_SCHEMA)
                .put("updatedFields", "{\"total\": 7}")
                .put("removedFields", List.of());
        return value("u", source, now).put("updateDescription", description);
    }

    private static Struct value(String operation, Struct source, Instant now) {
        return new Struct(ENVELOPE.schema())
                .put("op", operation)
                .put("source", source)
                .put("ts_ms", now.toEpochMilli());
    }

    private Documents() {}
}
